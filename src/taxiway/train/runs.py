"""Runs as they stand on disk; nothing here needs TensorFlow."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, NotFound
from taxiway.train.alive import lives
from taxiway.train.history import best_entry, metrics_of
from taxiway.train.record import METRICS_FILE, read_record, timestamp
from taxiway.train.request import REQUEST_FILE, TrainRequest, read_request

__all__ = ["REPORT_FILE", "Run", "list_runs", "new_directory", "open_run"]

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Run:
    """A run's directory."""

    path: Path

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def request(self) -> TrainRequest:
        """What was asked for."""
        return read_request(self.path)

    @property
    def record(self) -> dict[str, Any]:
        """``run.json``; empty before the training began."""
        return read_record(self.path)

    @property
    def status(self) -> str:
        """``waiting``, ``running``, ``interrupted``, ``finished`` or ``failed``.

        A run whose process is gone from this machine is interrupted. Of one on another host nothing is known but what
        it wrote last.
        """
        record = self.record
        status = str(record.get("status", "waiting"))
        return "interrupted" if status == "running" and lives(record.get("process")) is False else status

    def check_idle(self) -> None:
        """Hold a run to one training at a time, as far as this machine can tell.

        Raises:
            FailedPrecondition: a process of this machine trains it.
        """
        record = self.record
        noted = record.get("process", {})
        if record.get("status") == "running" and lives(noted):
            raise FailedPrecondition(
                f"{self.path} is being trained, by process {noted['pid']} of this machine.",
                hint="Wait for it, or end that process.",
            )

    @property
    def history(self) -> list[dict[str, Any]]:
        """The metrics of each epoch."""
        path = self.path / METRICS_FILE
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last epoch."""
        history = self.history
        return metrics_of(history[-1]) if history else {}

    @property
    def best(self) -> dict[str, Any] | None:
        """The epoch with the lowest validation loss (or loss, without validation), as a line of the history."""
        found = best_entry(self.history)
        return None if found is None else dict(found)

    @property
    def started_at(self) -> str:
        """When it was first started, as ``2026-11-21T10:00:00Z``; when it was asked for, before that."""
        asked = (self.path / REQUEST_FILE).stat().st_mtime
        return str(self.record.get("started_at") or timestamp(asked))

    @property
    def seconds(self) -> float:
        """How long its epochs took, together."""
        return float(sum(entry.get("seconds", 0.0) for entry in self.history))

    @property
    def report_path(self) -> Path:
        """The page that :func:`taxiway.train.report` writes."""
        return self.path / REPORT_FILE

    @property
    def model_path(self) -> Path:
        """The SavedModel, once the run is finished."""
        return self.path / "model"

    def as_json(self) -> dict[str, Any]:
        """What the commands print."""
        request = self.request
        return {
            "id": self.id, "path": str(self.path), "job": request.job, "status": self.status,
            "strategy": self.record.get("strategy", request.strategy), "params": dict(request.params),
            "started_at": self.started_at, "seconds": round(self.seconds, 3), "epochs": len(self.history),
            "metrics": self.metrics, "best": self.best,
            "report": str(self.report_path) if self.report_path.is_file() else None,
        }  # fmt: skip


def open_run(name: str | Path, runs: str | Path = "runs") -> Run:
    """The run of that path, or of that name among ``runs``.

    Raises:
        NotFound: there is none.
    """
    for path in (Path(name), Path(runs) / name):
        if (path / REQUEST_FILE).is_file():
            return Run(path)
    raise NotFound(f"There is no run {name}.", hint="taxiway runs list")


def new_directory(place: Path, name: str) -> Path:
    """A directory of its own, called after the time and ``name``, for a new run or study in ``place``."""
    stem = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{name}"
    number = 1
    while True:
        path = place / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.exists():  # It is something above it that is no directory.
                raise
            number += 1
            continue
        return path


def list_runs(runs: str | Path = "runs") -> list[Run]:
    """The runs in a directory, newest first."""
    found = [Run(path.parent) for path in Path(runs).glob(f"*/{REQUEST_FILE}")]
    return sorted(found, key=lambda run: (run.started_at, run.id), reverse=True)
