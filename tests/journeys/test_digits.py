"""The example of the README: real digits, published, served, replaced under load, put back; and many swaps in a row."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import soak_swaps
from taxiway.browser import npm
from taxiway.browser.run.chromium import find_chromium
from taxiway.errors import FailedPrecondition
from taxiway.stores import read_manifest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("taxiway._server", "tensorflow", "sklearn")),
    reason="needs the built data plane, TensorFlow and scikit-learn: make setup",
)


@pytest.mark.timeout(900)
def test_the_demo_tells_its_story_without_a_failed_request(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "examples.digits.demo", "--folder", str(tmp_path / "demo"), "--seconds", "1"]
    run = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=880)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "version 2 answers everyone" in run.stdout
    assert "version 1 answers everyone" in run.stdout
    assert "none of the others failed" in run.stdout
    assert "int8 written: " in run.stdout and "int8.tflite" in str(
        read_manifest(tmp_path / "demo" / "models" / "digits" / "2").artifacts
    )
    assert_page(run.stdout, tmp_path / "demo" / "models" / "digits" / "2")
    assert_rollouts(run.stdout)
    for name in ("first", "better"):
        report = tmp_path / "demo" / "runs" / name / "report.html"
        assert f"look at {report}" in run.stdout and "<svg" in report.read_text()
        manifest = read_manifest(tmp_path / "demo" / "models" / "digits" / ("1" if name == "first" else "2"))
        assert manifest.lineage["run"] == name and manifest.lineage["job"] == "examples/digits:job"
        assert 0.5 < float(manifest.metrics["val_accuracy"]) <= 1.0
    assert "\x1b" not in run.stdout
    # The folder of this test has a longer name than anyone's.
    assert max(len(line) for line in run.stdout.splitlines() if str(tmp_path) not in line) <= 100


def assert_page(told: str, version: Path) -> None:
    """The page was made, and either kept its contract in Chromium or is said to be unverified; or why there is none."""
    said = told.split("Make a web page")[1]
    if not npm.folder().is_dir():
        assert "No page is made: " in said
        return
    artifacts = read_manifest(version).artifacts
    assert "int8.tflite" in str(artifacts) and "model.json" in str(artifacts)
    (page,) = version.glob("artifacts/browser/*/index.html")
    assert f"the page is {page}" in said
    try:
        find_chromium()
    except FailedPrecondition:
        assert "Not verified on wasm" in said
    else:
        assert "float32 written: 1,797 of 1,797 rows agree" in said and "wasm: largest difference" in said


def assert_rollouts(told: str) -> None:
    """The three rollouts came to their ends, for their reasons, and what the callers met is told."""
    good, worse, faulty = (told.split(f"version {version} was ")[1] for version in (2, 3, 4))
    assert re.match(r"promoted by itself, [\d.]+ s after it began\n", good) and "affected" in good
    assert (
        re.match(r"put back by itself, [\d.]+ s after it began\n", worse) and "accuracy: -" in worse.split("Publish")[0]
    )
    assert re.match(r"put back by itself, [\d.]+ s after it began\n", faulty)
    # Copies of requests convict the worse one: its answers reach nobody.
    assert re.search(r"meanwhile [\d,]+ requests, 0 of them answered by it, 0 affected\n", worse)
    affected = re.search(r"([\d,]+) of them answered by it, (\d+) affected\n", faulty)
    assert affected is not None and 5 <= int(affected[2]) < int(affected[1].replace(",", "")) / 3


@pytest.mark.timeout(300)
def test_ten_swaps_under_load_lose_nothing(tmp_path: Path) -> None:
    soak_swaps.train(tmp_path / "trained")
    outcome = soak_swaps.soak(tmp_path / "trained", tmp_path / "work", swaps=10)
    assert outcome.problems == []
    assert {one.version for one in outcome.asked} == set(range(1, 12))
    assert outcome.leases == {}
    assert outcome.loaded == (10, 11)
