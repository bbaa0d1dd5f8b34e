"""The requests in a recording: TFRecord files of ``PredictionLog``, as servers log them and warm-up files hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from taxiway.errors import DataLoss, NotFound
from taxiway.wire import messages
from taxiway.wire.records import read_records

__all__ = ["METHODS", "Recorded", "Recording"]

# Kind of log: (method of PredictionService, the message of its answer).
METHODS = {
    "predict_log": ("Predict", "PredictResponse"),
    "classify_log": ("Classify", "ClassificationResponse"),
    "regress_log": ("Regress", "RegressionResponse"),
    "multi_inference_log": ("MultiInference", "MultiInferenceResponse"),
}


@dataclass(frozen=True)
class Recorded:
    """A request: which file it is in, its number there from 0, its kind of log and its message."""

    file: str
    number: int
    kind: str
    request: Any


class Recording:
    """The files of a recording, oldest first.

    Attributes:
        unreadable: files, or ends of files, that could not be read so far, each with the reason.
        skipped: records so far of a kind that cannot be asked again.

    Raises:
        NotFound: there is no such file, or none in the directory.
    """

    def __init__(self, path: Path) -> None:
        self.unreadable: list[str] = []
        self.skipped = 0
        # The file that a server is writing begins with a dot; its name says its time all the same.
        files = [path] if path.is_file() else sorted(path.glob("*.tfrecord"), key=lambda one: one.name.lstrip("."))
        if not files:
            raise NotFound(
                f"There are no recorded requests in {path}.",
                hint="record_rate = 0.01 under [models.NAME] makes a server record; or give a warm-up file.",
            )
        self._files = files

    def __iter__(self) -> Iterator[Recorded]:
        for file in self._files:
            try:
                yield from self._records(file)
            except (DataLoss, DecodeError) as error:
                # A server that was killed leaves half a record behind; what stands before it is good.
                self.unreadable.append(f"{file.name}: {error}")
            except FileNotFoundError:
                continue  # It was the oldest of a running server, and a new one took its place.

    def _records(self, file: Path) -> Iterator[Recorded]:
        # Its name once it is complete, which it may have got since the directory was listed.
        complete = file.with_name(file.name.lstrip("."))
        try:
            yield from self._read(file, complete.name)
        except FileNotFoundError:
            if complete == file:
                raise
            yield from self._read(complete, complete.name)

    def _read(self, file: Path, name: str) -> Iterator[Recorded]:
        for number, data in enumerate(read_records(file)):
            log = messages.PredictionLog.FromString(data)
            kind = log.WhichOneof("log_type")
            if kind is None:
                self.skipped += 1
                continue
            yield Recorded(name, number, kind, getattr(log, kind).request)
