"""TensorBoard's logs of a run: one point an epoch, training and validation as two lines of one chart.

    tensorboard/train/events.out.tfevents.…  tensorboard/validation/…

The events are written one by one rather than through ``tf.summary``, so that the epochs before a resume keep their
times. A resumed run writes its files anew from its history; no point is there twice.
"""

from __future__ import annotations

import calendar
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxiway.train.history import RATE, VALIDATION, Entry, figure, metrics_of
from taxiway.train.record import read_record
from taxiway.train.report.watch import Part

__all__ = ["BOARD", "Board"]

BOARD = "tensorboard"
_PREFIX = "events.out.tfevents."
_PARTS = ("train", "validation")


class Board(Part):
    """Writes the logs.

    Args:
        run_dir: the run's directory.
        params: written as a table of text.
    """

    def __init__(self, run_dir: Path, params: Mapping[str, Any]) -> None:
        self._run_dir, self._params = run_dir, dict(params)
        self._writers: dict[str, Any] = {}

    def begin(self, history: Sequence[Entry]) -> None:
        """Begin the files, with the epochs that are done.

        Raises:
            ImportError: tensorboard is not installed.
        """
        import tensorboard.compat.proto.event_pb2  # noqa: F401 found missing before a file is removed

        for part in _PARTS:
            for old in (self._run_dir / BOARD / part).glob(f"{_PREFIX}*"):
                old.unlink()
        moment = _began(self._run_dir)
        for entry in history:
            moment += float(entry.get("seconds", 0.0))
            self._point(entry, moment)

    def keep(self, history: Sequence[Entry]) -> None:
        """An epoch is a point of each line."""
        self._point(history[-1], time.time())

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _point(self, entry: Entry, moment: float) -> None:
        epoch = int(entry["epoch"])
        found: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
        for name, value in {**metrics_of(entry), RATE: entry.get(RATE)}.items():
            number = figure(value)
            if number is not None:
                part = "validation" if name.startswith(VALIDATION) else "train"
                found[part][name.removeprefix(VALIDATION)] = number
        for part, scalars in found.items():
            if scalars:
                writer = self._writer(part, moment)
                for tag, number in scalars.items():
                    writer.write(_scalar(tag, number, epoch, moment))
                writer.flush()

    def _writer(self, part: str, moment: float) -> Any:
        if part not in self._writers:
            import tensorflow as tf

            folder = self._run_dir / BOARD / part
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{_PREFIX}{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
            writer = self._writers[part] = tf.io.TFRecordWriter(str(folder / name))
            writer.write(_event(moment, file_version="brain.Event:2"))
            if part == "train" and self._params:
                writer.write(_text("parameters", _markdown(self._params), moment))
        return self._writers[part]


def _began(run_dir: Path) -> float:
    """When the run was first started, in seconds of the epoch."""
    try:
        return float(calendar.timegm(time.strptime(read_record(run_dir)["started_at"], "%Y-%m-%dT%H:%M:%SZ")))
    except (KeyError, ValueError):
        return time.time()


def _event(moment: float, **what: Any) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    event: bytes = Event(wall_time=moment, **what).SerializeToString()
    return event


def _scalar(tag: str, value: float, epoch: int, moment: float) -> bytes:
    from tensorboard.plugins.scalar.summary import scalar_pb

    return _event(moment, step=epoch, summary=scalar_pb(tag, value))


def _text(tag: str, text: str, moment: float) -> bytes:
    from tensorboard.plugins.text.summary import text_pb

    return _event(moment, step=0, summary=text_pb(tag, text))


def _markdown(params: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {json.dumps(value, ensure_ascii=False)} |" for name, value in params.items()]
    return "\n".join(["| parameter | value |", "|---|---|", *rows])
