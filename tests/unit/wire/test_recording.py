from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import NotFound
from taxiway.wire import messages
from taxiway.wire.recording import Recording
from taxiway.wire.records import write_records


def write(path: Path, *models: str) -> Path:
    logs = [messages.PredictionLog() for _ in models]
    for log, model in zip(logs, models, strict=True):
        log.predict_log.request.model_spec.name = model
    write_records(path, [log.SerializeToString() for log in logs])
    return path


def read(recording: Recording) -> list[tuple[str, int, str]]:
    return [(one.file, one.number, one.request.model_spec.name) for one in recording]


def test_files_are_read_oldest_first_and_the_current_one_last(tmp_path: Path) -> None:
    write(tmp_path / ".half-20261128T120000-000.tfrecord", "new")
    write(tmp_path / "half-20261125T120000-000.tfrecord", "old", "older")
    first, second = "half-20261125T120000-000.tfrecord", "half-20261128T120000-000.tfrecord"
    assert read(Recording(tmp_path)) == [(first, 0, "old"), (first, 1, "older"), (second, 0, "new")]


def test_a_file_that_is_completed_after_the_listing_is_read_all_the_same(tmp_path: Path) -> None:
    current = write(tmp_path / ".half-20261128T120000-000.tfrecord", "one", "two")
    recording = Recording(tmp_path)
    complete = current.rename(tmp_path / current.name.lstrip("."))
    assert read(recording) == [(complete.name, 0, "one"), (complete.name, 1, "two")]
    assert recording.unreadable == []


def test_a_file_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    oldest = write(tmp_path / "half-20261125T120000-000.tfrecord", "old")
    write(tmp_path / "half-20261128T120000-000.tfrecord", "new")
    recording = Recording(tmp_path)
    oldest.unlink()
    assert [model for *_, model in read(recording)] == ["new"]


def test_no_file_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no recorded requests"):
        Recording(tmp_path)
