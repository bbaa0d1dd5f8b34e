"""The part of a training run that a version remembers. A run is a directory with ``run.json`` in it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import DataLoss, FailedPrecondition
from taxiway.types import JsonObject

__all__ = ["MODEL_FOLDER", "RUN_FILE", "Run", "read_run"]

RUN_FILE = "run.json"
MODEL_FOLDER = "model"
_JOB_FILE = "job.json"
_KEPT = ("strategy", "replicas", "epochs", "finished_at", "code", "data", "environment", "trial")
_ASKED = ("job", "seed", "global_batch")


@dataclass(frozen=True)
class Run:
    """What a run says of the model it made: where it comes from, what was measured."""

    lineage: JsonObject
    metrics: JsonObject


def read_run(directory: Path) -> Run:
    """The run in a directory.

    Returns:
        Its lineage (``run``, ``job``, ``parameters`` and what else it noted down), and those metrics of its last
        epoch that are finite numbers.

    Raises:
        FailedPrecondition: it has not finished.
        DataLoss: its files cannot be read.
    """
    record = _read(directory / RUN_FILE)
    status = record.get("status")
    if status != "finished":
        raise FailedPrecondition(
            f"The run in {directory} is {status}, not finished.",
            hint=str(record.get("error") or f"Wait for it, or go on with it: taxiway train --resume {directory}"),
        )
    lineage = {"run": record.get("id", directory.resolve().name), "parameters": record.get("params", {})}
    if (directory / _JOB_FILE).is_file():
        asked = _read(directory / _JOB_FILE)
        lineage |= {key: asked[key] for key in _ASKED if key in asked}
    lineage |= {key: record[key] for key in _KEPT if record.get(key)}
    measured = record.get("metrics", {})
    # A manifest is JSON, which has no NaN; a metric that was no number says nothing of the version.
    return Run(lineage, {name: value for name, value in measured.items() if _is_number(value)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DataLoss(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise DataLoss(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DataLoss(f"{path} holds no object.")
    return document
