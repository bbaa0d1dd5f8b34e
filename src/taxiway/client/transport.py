"""What a client asks of a protocol, and the values that cross that line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from taxiway.client.answer import Metadata, VersionStatus
from taxiway.clock import Clock
from taxiway.errors import DeadlineExceeded, InvalidArgument, Unavailable
from taxiway.wire.signatures import Signature
from taxiway.wire.tensors import Array

__all__ = ["Call", "Deadline", "Judgement", "Refused", "Reply", "Target", "Transport"]

_MAX_TIMEOUT_SECONDS = 86_400.0


class Refused(Unavailable):
    """The server did no work for this call: nobody was there, or it turned the call away. It may be asked again."""


class Deadline:
    """A moment until which a call, its retries included, may take."""

    def __init__(self, clock: Clock, timeout_seconds: float) -> None:
        if not 0 < timeout_seconds <= _MAX_TIMEOUT_SECONDS:
            raise InvalidArgument(f"timeout_seconds must be above 0 and at most a day; it is {timeout_seconds}.")
        self._clock = clock
        self._end = clock.monotonic() + timeout_seconds
        self.timeout_seconds = timeout_seconds

    def remaining(self) -> float:
        """The seconds left, 0 or less when it has passed."""
        return self._end - self._clock.monotonic()

    def check(self) -> float:
        """The seconds left.

        Raises:
            DeadlineExceeded: there are none.
        """
        remaining = self.remaining()
        if remaining <= 0:
            raise DeadlineExceeded(f"The call took longer than its {self.timeout_seconds:g} s.")
        return remaining


@dataclass(frozen=True)
class Target:
    """Which model, and which of its versions: a number, a label, or (neither) the one that serves."""

    model: str
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Call:
    """One prediction to make.

    Attributes:
        target: whom to ask.
        signature: its name.
        inputs: arrays of the signature's own dtypes, by name.
        outputs: which to give back; empty for all.
        request_id: the caller's id for it.
        routing_key: whose the request is.
        signature_of: what the version that answered (None when it is not known) gives: REST needs it to read numbers.
    """

    target: Target
    signature: str
    inputs: Mapping[str, Array]
    outputs: Sequence[str]
    request_id: str | None
    signature_of: Callable[[int | None], Signature]
    routing_key: str | None = None

    def headers(self) -> dict[str, str]:
        """What goes as headers, or as metadata."""
        given = {"x-request-id": self.request_id, "x-routing-key": self.routing_key}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Reply:
    """What came back for a call."""

    outputs: Mapping[str, Array]
    version: int | None
    request_id: str | None
    arm: str | None = None


@dataclass(frozen=True)
class Judgement:
    """What is said of an answer; exactly one of the three.

    Attributes:
        labels: the right class of each row, as text.
        value: a number that the answer led to.
        correct: whether it was right.
    """

    labels: Sequence[str] | None = None
    value: float | None = None
    correct: bool | None = None


class Transport(Protocol):
    """A protocol. Every method may be called from several threads; what goes wrong is a ``taxiway.errors`` kind.

    A call that passes its deadline raises DeadlineExceeded. Refused is raised when, and only when, the server did no
    work for the call.
    """

    def predict(self, call: Call, deadline: Deadline) -> Reply:
        """Ask once."""
        ...

    def metadata(self, target: Target, deadline: Deadline) -> Metadata:
        """What a version takes and gives."""
        ...

    def status(self, target: Target, deadline: Deadline) -> tuple[VersionStatus, ...]:
        """The versions of a model, newest first."""
        ...

    def models(self, deadline: Deadline) -> tuple[str, ...]:
        """The names of the models served."""
        ...

    def feedback(self, model: str, request_id: str, judgement: Judgement, deadline: Deadline) -> bool:
        """Say what became of an answer; False when the like was said before."""
        ...

    def close(self) -> None:
        """Give the connections up."""
        ...
