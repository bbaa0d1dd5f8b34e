"""How the process ends: as a signal asks, also while it starts, and with what failed when nobody asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.serve.ending import Ending
from taxiway.serve.tfserving import run
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.syntax import parse
from tests.waiting import PATIENCE_SECONDS


class Stopped:
    """A server that cannot start any more once it was stopped."""

    def __init__(self, *_: Any) -> None:
        self._stopped = threading.Event()

    def start(self) -> None:
        assert self._stopped.wait(PATIENCE_SECONDS)
        raise FailedPrecondition("the server was started before")

    def stop(self) -> None:
        self._stopped.set()
        for thread in threading.enumerate():
            if thread.name == "taxiway-start":
                thread.join(PATIENCE_SECONDS)


class Refused(Stopped):
    """A server that cannot start."""

    def start(self) -> None:
        raise FailedPrecondition("no room")

    def stop(self) -> None:
        pass


def ended(monkeypatch: pytest.MonkeyPatch, server: type[Stopped], asked: bool) -> int:
    monkeypatch.setattr(run, "ModelServer", server)
    monkeypatch.setattr(run, "NativeDataPlane", lambda *_: None)
    with Ending() as event:
        if asked:
            event.set()
        return run._run(read_options(parse(["--model_base_path=/models/m"]).values), event)


def test_an_end_that_comes_while_it_starts_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, Stopped, asked=True) == 0


def test_what_cannot_start_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FailedPrecondition, match="no room"):
        ended(monkeypatch, Refused, asked=False)
