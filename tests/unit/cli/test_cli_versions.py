"""``taxiway publish``, ``versions`` and ``inspect`` over a store on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taxiway.cli import main as cli
from taxiway.stores import Made, Shelf, add_artifacts, open_store
from taxiway.testing.stores import write_files
from tests.unit.publish.conftest import write_saved_model

WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture
def store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A store with two versions of ``m``."""
    source = write_saved_model(tmp_path / "source")
    for accuracy in ("0.9", "0.95"):
        arguments = ["publish", str(source), "m", "--store", str(tmp_path / "models")]
        assert cli.main([*arguments, "--metric", f"accuracy={accuracy}", "--note", "run=r7"]) == 0
    assert "published m version 2: 2 files," in capsys.readouterr().out
    return tmp_path / "models"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert cli.main(arguments) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_publish_tells_programs_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_saved_model(tmp_path / "source")
    document = json.loads(said(capsys, "publish", str(source), "m", "--store", str(tmp_path / "s"), "--json"))
    assert document["version"] == 1
    assert document["path"] == str(tmp_path / "s" / "m" / "1")
    assert document["signatures"] == ["serving_default"]


@pytest.mark.parametrize("metric", ["accuracy", "accuracy=good", "=1", "accuracy=nan"])
def test_a_metric_is_a_number_with_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str) -> None:
    source = write_saved_model(tmp_path / "source")
    assert "error: " in said(capsys, "publish", str(source), "m", "--store", str(tmp_path), "--metric", metric, code=2)
    assert not (tmp_path / "m").exists()


def test_versions_are_listed_newest_first(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store / "m" / "7").mkdir()
    lines = said(capsys, "versions", "list", "m", "--store", str(store)).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["7", "2", "1"]
    assert "not published by Taxiway" in lines[1]
    assert "accuracy=0.95" in lines[2]
    rows = json.loads(said(capsys, "versions", "list", "m", "--store", str(store), "--json"))
    assert rows[1]["metrics"] == {"accuracy": 0.95}


def test_a_version_is_shown_and_held_to_its_manifest(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "versions", "show", "m", "--store", str(store))
    for word in ("m version 2: every file is what was published", "r7", "float32", "[?]", WEIGHTS):
        assert word in shown
    (store / "m" / "2" / WEIGHTS).write_bytes(b"broken!")
    assert f"{WEIGHTS} is not what was published" in said(
        capsys, "versions", "show", "m", "--store", str(store), code=1
    )
    assert "m version 1" in said(capsys, "versions", "show", "m", "1", "--store", str(store))


def test_an_unknown_model_is_an_error_with_the_known_ones(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hint: It has m." in said(capsys, "versions", "list", "other", "--store", str(store), code=1)


def test_a_label_is_put_moved_listed_and_taken_away(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def label(*arguments: str, code: int = 0) -> str:
        return said(capsys, "versions", "label", "m", *arguments, "--store", str(store), code=code)

    assert "no labels" in label()
    assert json.loads(label("stable", "1", "--json")) == {"stable": 1}
    assert "stable" in label()
    assert "m version 1" in said(capsys, "versions", "show", "m", "stable", "--store", str(store))
    assert "is at 1, not at 2" in label("stable", "2", "--expect", "2", code=1)
    assert json.loads(label("stable", "2", "--expect", "1", "--json")) == {"stable": 2}
    assert json.loads(label("stable", "--remove", "--json")) == {}
    for wrong in (["stable"], ["stable", "1", "--remove"]):
        assert "say the VERSION" in label(*wrong, code=2)


def test_two_versions_are_compared(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "versions", "diff", "m", "1", "--store", str(store))
    for word in ("VERSION 1", "VERSION 2", "metric accuracy", "0.9", "0.95", "+0.05"):
        assert word in shown
    document = json.loads(said(capsys, "versions", "diff", "m", "1", "2", "--store", str(store), "--json"))
    assert document["files"] == {"added": [], "removed": [], "changed": []}


def test_pruning_says_what_goes_and_why(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prune = ("versions", "prune", "m", "--keep", "1", "--store", str(store))
    assert "would be removed" in said(capsys, *prune, "--dry-run")
    assert (store / "m" / "1").is_dir()
    document = json.loads(said(capsys, *prune, "--json"))
    assert document["versions"] == [
        {"version": 2, "removed": False, "why": "among the newest"},
        {"version": 1, "removed": True, "why": "old"},
    ]
    assert not (store / "m" / "1").exists()


@pytest.mark.parametrize("what", ["m", "m:2", "PATH"])
def test_inspect_shows_what_a_model_is(store: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    what = what.replace("PATH", str(store / "m" / "2"))
    shown = said(capsys, "inspect", what, "--store", str(store))
    for word in ("serving_default", "x", "float32", "[?]", "2 kinds", "MatMul", "TensorFlow 2.21.0", "r7", WEIGHTS):
        assert word in shown
    document = json.loads(said(capsys, "inspect", what, "--store", str(store), "--json"))
    assert document["ops"] == {"Placeholder": 1, "MatMul": 1}
    assert document["manifest"]["verified"] is True
    assert document["warm_up_requests"] == 0


def test_inspect_says_what_is_damaged(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store / "m" / "2" / WEIGHTS).write_bytes(b"broken!")
    document = json.loads(said(capsys, "inspect", "m", "--store", str(store), "--json"))
    assert document["manifest"]["verified"] is False
    assert WEIGHTS in document["manifest"]["damage"]


def test_inspect_shows_artefacts_with_their_contracts(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_files(store.parent / "built", {"int8.tflite": b"lite", "report.json": b"{}"})
    made = {"int8": Made(["int8.tflite"], {"reason": "agreement 0.995 of 0.99"}), "report": Made(["report.json"])}
    manifest = add_artifacts(Shelf(open_store(store), "m"), 2, "edge", source, made)
    shown = said(capsys, "inspect", "m:2", "--store", str(store))
    line = next(one for one in shown.splitlines() if one.startswith("artifacts/edge/int8.tflite"))
    assert line.split()[1:] == ["int8", "4", "B", manifest.artifacts["artifacts/edge/int8.tflite"].file.sha256[:16],
                                "agreement", "0.995", "of", "0.99"]  # fmt: skip
    assert shown.count("artifacts/") == 2
    (store / "m" / "2" / manifest.artifacts["artifacts/edge/int8.tflite"].stored).unlink()
    document = json.loads(said(capsys, "inspect", "m:2", "--store", str(store), "--json"))
    found = document["manifest"]["artifacts"]
    assert "cannot be read" in found["artifacts/edge/int8.tflite"]["damage"]
    assert found["artifacts/edge/report.json"]["damage"] is None and document["manifest"]["verified"]


def test_inspect_of_nothing(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what, code in [("other", 1), ("m:9", 1), ("a/b", 1), ("m:x", 1), (str(tmp_path), 2)]:
        assert "hint: " in said(capsys, "inspect", what, "--store", str(store), code=code)
