"""Windows of a measurement and when to believe them. Pure: no clock, no process.

A single window on a shared machine says little. Windows are repeated until the last few agree in throughput and in p95,
or until the patience is used up; a result says which of the two it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taxiway.load.percentiles import percentile


@dataclass(frozen=True)
class Window:
    """One stretch of load at a fixed concurrency.

    Attributes:
        requests: answers received, all of them successes.
        seconds: how long it took.
        histogram: microseconds → number of requests that took so long.
    """

    requests: int
    seconds: float
    histogram: Mapping[int, int]

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, percent: float) -> float:
        """Microseconds within which ``percent`` of the requests were answered (nearest rank)."""
        return percentile(self.histogram, percent)


@dataclass(frozen=True)
class Patience:
    """How many windows to measure: ``least`` to ``most``, until ``agreeing`` in a row lie within ``tolerance``."""

    least: int = 3
    most: int = 8
    agreeing: int = 3
    tolerance: float = 0.10


@dataclass(frozen=True)
class Settled:
    """Every window measured, whether the last ones agreed, and the one that stands for them."""

    windows: tuple[Window, ...]
    agreed: bool
    chosen: Window


def within(values: Sequence[float], tolerance: float) -> bool:
    """Whether the largest value exceeds the smallest by at most ``tolerance`` of it."""
    return max(values) <= min(values) * (1 + tolerance)


def agree(windows: Sequence[Window], tolerance: float) -> bool:
    """Whether the windows agree in throughput and in p95."""
    return within([window.throughput for window in windows], tolerance) and within(
        [window.percentile(95) for window in windows], tolerance
    )


def settle(measure: Callable[[], Window], patience: Patience) -> Settled:
    """Measure windows until the last ones agree or the patience ends.

    The chosen window is the one of median throughput among the last ``agreeing``; when they never agreed, among all.
    """
    windows: list[Window] = []
    agreed = False
    while len(windows) < patience.most and not agreed:
        windows.append(measure())
        if len(windows) >= max(patience.least, patience.agreeing):
            agreed = agree(windows[-patience.agreeing :], patience.tolerance)
    candidates = sorted(windows[-patience.agreeing :] if agreed else windows, key=lambda window: window.throughput)
    return Settled(tuple(windows), agreed, candidates[(len(candidates) - 1) // 2])


def coarse(histogram: Mapping[int, int], digits: int = 3) -> dict[int, int]:
    """The histogram with its values rounded to ``digits`` significant digits, small enough to keep in a repository."""
    rounded: dict[int, int] = {}
    for value, count in sorted(histogram.items()):
        step = 10 ** max(0, len(str(abs(value))) - digits)
        key = round(value / step) * step
        rounded[key] = rounded.get(key, 0) + count
    return rounded
