"""A transport that asks again where that is safe: calls the server did no work for, and only within the deadline."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from taxiway.client.answer import Metadata, VersionStatus
from taxiway.client.transport import Call, Deadline, Judgement, Refused, Reply, Target, Transport
from taxiway.clock import Clock

__all__ = ["Retrying"]

T = TypeVar("T")

_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 2.0


class Retrying:
    """Wraps a transport.

    Args:
        inner: whom to ask.
        retries: how often to ask again at most.
        clock: waits between two attempts; each wait is twice the one before, times a random part, so that the callers
            of a server that comes back do not come back all at once.
        part: gives that part, from 0 to 1.
    """

    def __init__(self, inner: Transport, retries: int, clock: Clock, part: Callable[[], float] = random.random) -> None:
        self._inner = inner
        self._retries = retries
        self._clock = clock
        self._part = part

    def predict(self, call: Call, deadline: Deadline) -> Reply:
        """Ask, and ask again when it was refused."""
        return self._again(lambda: self._inner.predict(call, deadline), deadline)

    def metadata(self, target: Target, deadline: Deadline) -> Metadata:
        """Ask, and ask again when it was refused."""
        return self._again(lambda: self._inner.metadata(target, deadline), deadline)

    def status(self, target: Target, deadline: Deadline) -> tuple[VersionStatus, ...]:
        """Ask, and ask again when it was refused."""
        return self._again(lambda: self._inner.status(target, deadline), deadline)

    def models(self, deadline: Deadline) -> tuple[str, ...]:
        """Ask, and ask again when it was refused."""
        return self._again(lambda: self._inner.models(deadline), deadline)

    def feedback(self, model: str, request_id: str, judgement: Judgement, deadline: Deadline) -> bool:
        """Say it, and again when it was refused."""
        return self._again(lambda: self._inner.feedback(model, request_id, judgement, deadline), deadline)

    def close(self) -> None:
        """Close what it wraps."""
        self._inner.close()

    def _again(self, ask: Callable[[], T], deadline: Deadline) -> T:
        longest_seconds = _FIRST_WAIT_SECONDS
        for _ in range(self._retries):
            try:
                return ask()
            except Refused:
                wait_seconds = longest_seconds * (0.5 + self._part() / 2)
                # Waiting past the deadline would turn "nobody is there" into "it took too long", which says less.
                if wait_seconds >= deadline.remaining():
                    raise
            self._clock.wait(threading.Event(), wait_seconds)
            longest_seconds = min(longest_seconds * 2, _LONGEST_WAIT_SECONDS)
        return ask()
