"""Time that passes when a test says so."""

from __future__ import annotations

import threading

__all__ = ["FakeClock"]


class FakeClock:
    """A clock that stands still until :meth:`advance`."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._start = now
        self._passed = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds that passed."""
        return self._passed

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        """Let the whole timeout pass at once, unless ``event`` is set; without a timeout, wait for it."""
        if timeout_seconds is None:
            return event.wait()
        if not event.is_set():
            self.advance(timeout_seconds)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds
