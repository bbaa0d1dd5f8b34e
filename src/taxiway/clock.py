"""Time as a value that can be handed in, so that nothing that decides reads a clock and no test sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Clock", "SystemClock", "repeated"]

T = TypeVar("T")


class Clock(Protocol):
    """What tells the time and waits."""

    def now(self) -> float:
        """Seconds since the epoch, for records that people read."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back."""
        ...

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        """Wait until ``event`` is set or ``timeout_seconds`` have passed; return whether it is set."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        """Wait for ``event``."""
        return event.wait(timeout_seconds)


def repeated(look: Callable[[], T], last: Callable[[T], bool], clock: Clock, seconds: float) -> Iterator[T]:
    """What ``look`` returns, again after so many seconds, up to what is the ``last``."""
    never = threading.Event()
    while True:
        found = look()
        yield found
        if last(found):
            return
        clock.wait(never, seconds)
