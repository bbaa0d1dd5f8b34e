"""Which engine a load is asked for, what a publisher's figures are good for, and how a choice reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taxiway.serve.engines import asked_engine, batching_lines, choice_lines, shown_by
from taxiway.serve.server import load_spec
from taxiway.settings import AUTO_BATCHED, Batching, ModelSettings, ServerSettings
from taxiway.testing import write_saved_model, write_tflite

SHOWN = {"kept": True, "reason": "…", "tensorflow_us": 24.0, "litert_us": 12.0}


def litert(**of_default: Any) -> dict[str, Any]:
    return {"file": "model.tflite", "reason": "…", "signatures": {"serving_default": {**SHOWN, **of_default}}}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (litert(), ["serving_default"]),
        (litert(litert_us=20.0), []),  # on another machine it may be the slower one
        (litert(litert_us=None), []),
        (litert(kept=False), []),
        ({**litert(), "file": None}, []),
        ({"file": "model.tflite", "reason": "…", "signatures": {"serving_default": "yes"}}, []),
        ({}, []),
    ],
)
def test_only_what_is_clearly_faster_elsewhere_is_taken_unmeasured(said: dict[str, Any], shown: list[str]) -> None:
    assert shown_by(said) == shown


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A directory with files for both engines and a manifest that says LiteRT is the faster one."""
    write_saved_model(tmp_path / "1")
    write_tflite(tmp_path / "1")
    manifest = {"schema": 1, "model": "m", "version": 1, "files": {}, "signatures": {}, "lineage": {}, "metrics": {}}
    (tmp_path / "1" / "taxiway.json").write_text(json.dumps({**manifest, "litert": litert()}))
    return tmp_path / "1"


def test_what_publishing_showed_is_used_where_the_engine_is_open_and_there_is_a_choice(version: Path) -> None:
    assert asked_engine("auto", version) == ("auto", ["serving_default"])
    assert asked_engine("tensorflow", version) == ("tensorflow", [])
    assert asked_engine("litert", version) == ("litert", [])
    spec = load_spec(ServerSettings())("m", 1, str(version), ModelSettings())
    assert (spec["engine"], spec["shown"]) == ("auto", ["serving_default"])
    (version / "taxiway.json").write_text("{")
    assert asked_engine("auto", version) == ("auto", [])
    (version / "saved_model.pb").unlink()
    assert asked_engine("auto", version) == ("auto", [])


def test_a_broken_file_beside_a_saved_model_is_never_opened(version: Path) -> None:
    (version / "model.tflite").write_bytes((version / "model.tflite").read_bytes()[:-8])
    assert asked_engine("auto", version) == ("prefer_tensorflow", [])


def test_a_load_is_asked_to_find_out_about_batching_only_where_that_is_set(version: Path) -> None:
    def asked(batching: Batching) -> object:
        return load_spec(ServerSettings())("m", 1, str(version), ModelSettings(batching=batching))["batching"]

    assert (asked(Batching()), asked(AUTO_BATCHED)) == (None, "auto")
    said = asked(Batching(max_batch_size=8))
    assert isinstance(said, dict)
    assert (said["max_batch_size"], "auto" in said) == (8, False)


def test_what_was_found_of_batching_reads_as_a_sentence_a_signature() -> None:
    measured = {
        "rows": 64, "why": "its rows answer alike", "requests": 284, "largest_difference": 3e-8,
        "allowed_difference": 1e-5, "batch_rows": 64, "row_us": 40.2, "batch_us": 101.0,
    }  # fmt: skip
    other = {"rows": 0, "why": "there is no warm-up request of it to take rows from"}
    assert batching_lines({"signatures": {"serving_default": measured, "classify": other}}) == [
        "serving_default: batches of up to 64 rows: its rows answer alike; 3.0e-08 apart where 1.0e-05 is rounding, in "
        "284 requests; one row 40 µs, 64 rows 101 µs",
        "classify: no batches: there is no warm-up request of it to take rows from",
    ]
    assert batching_lines(None) == []


def test_a_choice_reads_as_a_sentence_a_signature() -> None:
    measured = {
        "engine": "litert", "why": "litert answers alike, and faster", "requests": 9, "largest_difference": 1.3e-7,
        "allowed_difference": 1e-5, "tensorflow_us": 24.0, "litert_us": 12.4, "tensorflow_batch_us": 90.0,
        "litert_batch_us": 60.0,
    }  # fmt: skip
    other = {"engine": "tensorflow", "why": "litert has no such signature"}
    assert choice_lines({"why": "", "signatures": {"serving_default": measured, "classify": other}}) == [
        "serving_default: litert: litert answers alike, and faster; 1.3e-07 apart where 1.0e-05 is rounding, in 9 "
        "requests; tensorflow 90 µs, litert 60 µs a full batch; tensorflow 24 µs, litert 12 µs",
        "classify: tensorflow: litert has no such signature",
    ]
    assert choice_lines({"why": "TensorFlow is not installed", "signatures": {}}) == ["TensorFlow is not installed"]
    assert choice_lines(None) == []
