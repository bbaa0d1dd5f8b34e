"""A training run is published with what it knows of itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument
from taxiway.publish import publish


@pytest.fixture
def run(saved_model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "2026-11-21T10-00-00-digits"
    path.mkdir(parents=True)
    shutil.copytree(saved_model, path / "model")
    record = {
        "schema": 1,
        "id": path.name,
        "status": "finished",
        "strategy": "mirrored",
        "replicas": 2,
        "params": {"rate": 0.1},
        "code": {"git_commit": "abc"},
        "data": {},
        "epochs": 5,
        "finished_at": "2026-11-21T10:05:00Z",
        "environment": {"python": "3.11"},
        "metrics": {"val_accuracy": 0.9},
    }
    (path / "run.json").write_text(json.dumps(record))
    (path / "job.json").write_text(json.dumps({"job": "examples/digits:job", "seed": 3, "workers": 2}))
    return path


def test_a_run_is_published_with_its_lineage(run: Path, tmp_path: Path) -> None:
    manifest = publish(run, "m", tmp_path / "models", metrics={"f1": 0.7}).manifest
    assert set(manifest.files) == {"saved_model.pb", "variables/variables.data-00000-of-00001"}
    assert manifest.metrics == {"val_accuracy": 0.9, "f1": 0.7}
    lineage = {key: manifest.lineage[key] for key in ("run", "job", "parameters", "strategy", "replicas", "code")}
    assert lineage == {
        "run": "2026-11-21T10-00-00-digits",
        "job": "examples/digits:job",
        "parameters": {"rate": 0.1},
        "strategy": "mirrored",
        "replicas": 2,
        "code": {"git_commit": "abc"},
    }
    assert (manifest.lineage["seed"], manifest.lineage["epochs"]) == (3, 5)
    assert manifest.lineage["finished_at"] == "2026-11-21T10:05:00Z"
    assert "data" not in manifest.lineage and "workers" not in manifest.lineage


def test_what_did_not_finish_is_not_published(run: Path, tmp_path: Path) -> None:
    (run / "run.json").write_text('{"status": "failed", "error": "rank 1 died"}')
    with pytest.raises(FailedPrecondition, match="is failed, not finished") as caught:
        publish(run, "m", tmp_path / "models")
    assert caught.value.hint == "rank 1 died"
    (run / "run.json").write_text("{")
    with pytest.raises(DataLoss, match="is not JSON"):
        publish(run, "m", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_run_without_a_model_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "model")
    with pytest.raises(InvalidArgument, match="model holds neither"):
        publish(run, "m", tmp_path / "models")


def test_a_metric_that_is_no_number_stays_behind(run: Path, tmp_path: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["metrics"] = {"val_accuracy": 0.9, "val_loss": float("nan"), "loss": float("inf")}
    (run / "run.json").write_text(json.dumps(record))
    assert publish(run, "m", tmp_path / "models").manifest.metrics == {"val_accuracy": 0.9}
    with pytest.raises(InvalidArgument, match="cannot be written as JSON"):
        publish(run, "m", tmp_path / "models", metrics={"f1": float("nan")})
    assert [path.name for path in (tmp_path / "models" / "m").iterdir() if path.name.isdecimal()] == ["1"]
