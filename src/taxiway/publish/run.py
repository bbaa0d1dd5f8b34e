"""The part of a training run that a version remembers. A run is a directory with ``run.json`` in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import DataLoss
from taxiway.types import JsonObject

__all__ = ["MODEL_FOLDER", "RUN_FILE", "Run", "read_run"]

RUN_FILE = "run.json"
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Run:
    """What a run says of the model it made: where it comes from, what was measured."""

    lineage: JsonObject
    metrics: JsonObject


def read_run(directory: Path) -> Run:
    """The run in a directory.

    Raises:
        DataLoss: its ``run.json`` cannot be read.
    """
    path = directory / RUN_FILE
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise DataLoss(f"{path} says nothing of the run: {error}") from None
    lineage: dict[str, Any] = {"run": directory.resolve().name}
    for key in ("job", "strategy", "parameters", "code", "data", "environment"):
        if document.get(key) not in (None, {}, ""):
            lineage[key] = document[key]
    metrics = document.get("metrics")
    return Run(lineage, metrics if isinstance(metrics, dict) else {})
