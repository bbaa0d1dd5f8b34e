from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from taxiway.serve.tfserving.base_path import BasePath, Patience
from taxiway.testing import write_tflite


class HandClock:
    """A clock the test turns; files made now were made ``behind`` seconds ago."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return time.time() + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        raise AssertionError("nothing here waits")


def waiting(base: BasePath) -> dict[int, bool]:
    return {found.version: bool(found.waiting) for found in base.look().found}


@pytest.mark.tfs("version-names", "version-twice")
def test_versions_are_numbers_and_the_last_of_two_names_wins(tmp_path: Path) -> None:
    for name in ("1", "00000123", "123", "-4", "x", "1a", ".tmp"):
        (tmp_path / name).mkdir()
    found = BasePath("m", str(tmp_path), Patience(None), HandClock()).look().found
    assert [(one.version, Path(one.path).name) for one in found] == [(-4, "-4"), (1, "1"), (123, "123")]


def test_a_whole_version_is_loaded_when_it_is_quiet(tmp_path: Path) -> None:
    clock = HandClock()
    base = BasePath("m", str(tmp_path), Patience(100.0, 600.0), clock)
    write_tflite(tmp_path / "1")
    assert waiting(base) == {1: True}
    clock.seconds = 101
    assert waiting(base) == {1: False}


def test_half_a_version_is_loaded_when_it_stays_half(tmp_path: Path) -> None:
    clock = HandClock()
    base = BasePath("m", str(tmp_path), Patience(10.0, 60.0), clock)
    (tmp_path / "1").mkdir()
    assert waiting(base) == {1: True}
    clock.seconds = 59
    assert waiting(base) == {1: True}
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\x08")
    clock.seconds = 61
    assert waiting(base) == {1: True}
    clock.seconds = 122
    assert waiting(base) == {1: False}


@pytest.mark.tfs("version-complete")
def test_without_patience_everything_is_loaded_at_once(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    assert waiting(BasePath("m", str(tmp_path), Patience(None), HandClock())) == {1: False}


def test_each_thing_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "m"
    base = BasePath("m", str(path), Patience(None), HandClock())
    for _ in range(2):
        assert (
            base.look().problem
            == f"Could not find base path {path} for servable m with error No such file or directory"
        )
    path.mkdir()
    for _ in range(2):
        assert base.look().found == ()
    path.rmdir()
    base.look()
    kinds = [record.message.split()[0] for record in caplog.records]
    assert kinds == ["FileSystemStoragePathSource", "No", "FileSystemStoragePathSource"]
    assert caplog.records[1].message == (
        f"No versions of servable m found under base path {path}. "
        "Did you forget to name your leaf directory as a number (eg. '/1/')?"
    )
