"""What becomes of a page, by where it could be tried; the browser is pretended."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts import Rows
from taxiway.browser.build import Built, Wish, build_of, contract_of
from taxiway.browser.tried import Runtimes, measured
from taxiway.errors import FailedPrecondition
from taxiway.publish import publish
from taxiway.stores import read_manifest
from taxiway.wire.signatures import Signature, TensorSpec
from tests.unit.artifacts.saved import Pretending, saved_model
from tests.unit.browser.pages import ROWS, Runs, scores, source_of, vendored

NOTHING = Runtimes([], {"wasm": FailedPrecondition("There is no Chromium.", hint="Install it.")})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved_model(tmp_path / "m", {"x": (None, 4)}, {"scores": (None, 3)})


def build(model: Path, where: Runtimes | None, out: Path | None = None, source: Any = None, **wish: Any) -> Built:
    packages = vendored(model.parent / "packages")
    with Pretending(scores) as workshop:
        rows = Rows({"x": ROWS}, None, "rows in memory")
        asked = Wish("serving_default", contract_of(None, "float32"), out=out, **wish)
        return build_of(workshop, source or source_of(model), asked, packages, rows=rows, where=where)


def test_a_page_that_was_tried_is_left_as_it_is_when_a_new_one_cannot_be(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    assert build(model, Runtimes([Runs("wasm")]), out).report.kept
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(FailedPrecondition, match="has a page that was tried, and this one could not be") as caught:
        build(model, NOTHING, out)
    assert "There is no Chromium" in caught.value.message and "--no-verify" in (caught.value.hint or "")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    # Elsewhere it is written, and may be replaced by another untried one.
    for _ in range(2):
        built = build(model, NOTHING, tmp_path / "other")
        assert built.place and built.report.variants[0].reason == "not verified"


def test_who_asks_for_an_untried_page_is_told_what_it_replaced(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    assert build(model, None, out).unverified == "Not verified, as was asked for."
    build(model, Runtimes([Runs("wasm")]), out)
    built = build(model, None, out)
    said = "It takes the place of a page that was tried: 320 of 320 rows agree"
    assert said in built.unverified
    (variant,) = json.loads((out / "report.json").read_text())["variants"]
    assert said in variant["notes"]["not_verified"]


def test_the_page_of_a_version_is_held_by_its_manifest(model: Path, tmp_path: Path) -> None:
    from taxiway.artifacts import located

    publish(model, "m", tmp_path / "models")
    version = tmp_path / "models" / "m" / "1"
    with Pretending(scores) as workshop, located("m:1", tmp_path / "models", workshop) as source:
        build(model, Runtimes([Runs("wasm")]), source=source)
        before = read_manifest(version)
        with pytest.raises(FailedPrecondition, match="m/1 has a page that was tried"):
            build(model, NOTHING, source=source)
        assert read_manifest(version) == before
        assert "takes the place" in build(model, None, source=source).unverified
    assert read_manifest(version) != before


def test_the_app_asks_for_files_only(model: Path, tmp_path: Path) -> None:
    """A server that answers for files and for no folder, as Taxiway's does, has all that works without a network."""
    out = tmp_path / "page"
    build(model, Runtimes([Runs("wasm")]), out)
    files = json.loads(re.findall(r"const FILES = (.*);", (out / "service-worker.js").read_text())[0])
    assert {"index.html", "model.json", "a.bin"} <= set(files) and all((out / name).is_file() for name in files)
    assert (out / json.loads((out / "manifest.webmanifest").read_text())["start_url"]).is_file()


@pytest.mark.parametrize(
    ("names", "batch", "said"),
    [
        (["wasm", "cpu"], None, "one row, in headless Chromium on wasm of this machine, the loader's call included"),
        (["webgl"], 1, "one row, in headless Chromium on webgl of this machine, the loader's call included"),
        (["node", "wasm"], 4, "one request of 4 rows, in Node of this machine, the loader's call included"),
        ([], None, ""),
    ],
)
def test_the_report_says_of_what_the_latency_is(names: list[str], batch: int | None, said: str) -> None:
    signature = Signature({"x": TensorSpec(1, (batch, 4))}, {"scores": TensorSpec(1, (batch, 3))})
    assert measured(Runtimes([Runs(name) for name in names]), signature) == said


def test_a_page_is_said_to_be_measured_where_it_was(model: Path, tmp_path: Path) -> None:
    report = build(model, Runtimes([Runs("node")]), tmp_path / "page").report
    assert report.measured.startswith("one row, in Node ") and report.variants[0].latency_us == 10.0
    assert build(model, None, tmp_path / "other").report.measured == ""


def test_the_form_of_a_fixed_batch_has_as_many_rows_as_the_model_takes(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "four", {"x": (4, 4)}, {"scores": (4, 3)})
    runtime = Runs("wasm")
    assert build(model, Runtimes([runtime]), tmp_path / "page").report.kept
    config = json.loads((tmp_path / "page" / "page.json").read_text())
    assert config["kind"] == "form" and np.allclose(config["example"]["x"], ROWS[:4], atol=1e-4)
    assert (runtime.asked[0].batch, runtime.asked[0].free) == (4, False)
