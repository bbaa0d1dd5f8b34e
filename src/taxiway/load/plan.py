"""How much load, for how long."""

from __future__ import annotations

import os
from dataclasses import dataclass

from taxiway.errors import InvalidArgument

__all__ = ["Plan"]

_MAX_CONCURRENCY = 4096
_MAX_SECONDS = 86_400.0
_MAX_THREADS = 8


@dataclass(frozen=True)
class Plan:
    """What is done to a server.

    Attributes:
        concurrency: how many connections ask at once, a window each; one request is in flight on each.
        seconds: how long a window is measured.
        warm_up_seconds: how long it runs before that, uncounted; a tenth of ``seconds``, one at most, when None.
        rate: so many requests a second fall due, evenly spaced, whether earlier ones were answered or not, and each
            one's latency counts from that moment; None asks again as soon as an answer is there.
        rows: rows of a request; recorded requests stay as they are.
        threads: threads that send; half the cores when None.
        timeout_seconds: how long a request may take.

    Raises:
        InvalidArgument: a number is out of its range.
    """

    concurrency: tuple[int, ...] = (1, 4, 16, 64)
    seconds: float = 5.0
    warm_up_seconds: float | None = None
    rate: float | None = None
    rows: int = 1
    threads: int | None = None
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "concurrency", tuple(self.concurrency))
        if not self.concurrency:
            raise InvalidArgument("No concurrency is given.", hint="concurrency=(1, 16)")
        for each in self.concurrency:
            _within("concurrency", each, 1, _MAX_CONCURRENCY)
        _within("seconds", self.seconds, 0.05, _MAX_SECONDS)
        _within("timeout_seconds", self.timeout_seconds, 0.001, _MAX_SECONDS)
        _within("rows", self.rows, 1, 1 << 20)
        if self.warm_up_seconds is not None:
            _within("warm_up_seconds", self.warm_up_seconds, 0, _MAX_SECONDS)
        if self.rate is not None:
            _within("rate", self.rate, 0.001, 10e6)
        if self.threads is not None:
            _within("threads", self.threads, 1, 256)

    def document(self, concurrency: int) -> dict[str, object]:
        """One window of it, for the generator."""
        threads = self.threads or min(_MAX_THREADS, max(1, (os.cpu_count() or 1) // 2))
        warm_up = min(1.0, self.seconds / 10) if self.warm_up_seconds is None else self.warm_up_seconds
        return {
            "concurrency": concurrency,
            "threads": min(threads, concurrency),
            "seconds": self.seconds,
            "warm_up_seconds": warm_up,
            "rate": self.rate,
            "timeout_seconds": self.timeout_seconds,
        }


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidArgument(f"{name} is {value:g}; it must be from {least:g} to {most:g}.")
