from __future__ import annotations

import threading

import pytest

from taxiway.client.answer import Metadata, VersionStatus
from taxiway.client.retry import Retrying
from taxiway.client.transport import Call, Deadline, Judgement, Refused, Reply, Target
from taxiway.errors import DeadlineExceeded, Unavailable


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        assert timeout_seconds is not None
        self.waits.append(timeout_seconds)
        self.seconds += timeout_seconds
        return False


class _Transport:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def models(self, deadline: Deadline) -> tuple[str, ...]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return ("m",)

    def predict(self, call: Call, deadline: Deadline) -> Reply:
        raise NotImplementedError

    def metadata(self, target: Target, deadline: Deadline) -> Metadata:
        raise NotImplementedError

    def status(self, target: Target, deadline: Deadline) -> tuple[VersionStatus, ...]:
        raise NotImplementedError

    def feedback(self, model: str, request_id: str, judgement: Judgement, deadline: Deadline) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def test_waits_grow_and_are_jittered() -> None:
    clock = _Clock()
    inner = _Transport(*(Refused("x") for _ in range(7)))
    assert Retrying(inner, 7, clock, lambda: 1.0).models(Deadline(clock, 60)) == ("m",)
    assert clock.waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    clock = _Clock()
    Retrying(_Transport(Refused("x")), 1, clock, lambda: 0.0).models(Deadline(clock, 60))
    assert clock.waits == [0.025]


def test_it_never_waits_past_the_deadline() -> None:
    clock = _Clock()
    inner = _Transport(*(Refused("x") for _ in range(9)))
    with pytest.raises(Refused):
        Retrying(inner, 9, clock, lambda: 1.0).models(Deadline(clock, 0.3))
    assert clock.seconds < 0.3
    assert inner.calls == 3


def test_a_broken_connection_is_not_tried_again() -> None:
    clock, inner = _Clock(), _Transport(Unavailable("it broke"))
    with pytest.raises(Unavailable):
        Retrying(inner, 9, clock).models(Deadline(clock, 60))
    assert inner.calls == 1


def test_a_deadline_passes() -> None:
    clock = _Clock()
    deadline = Deadline(clock, 1.5)
    assert deadline.check() == 1.5
    clock.seconds = 2
    with pytest.raises(DeadlineExceeded, match=r"1\.5 s"):
        deadline.check()
