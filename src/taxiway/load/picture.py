"""One picture of a report: a row for each concurrency, throughput beside latencies."""

from __future__ import annotations

import math
from collections.abc import Iterator

from taxiway.load import svg
from taxiway.load.report import Report
from taxiway.load.window import PERCENTILES, Window

__all__ = ["PICTURE_FILE", "picture"]

PICTURE_FILE = "bench.svg"
_LABEL, _BAR, _NUMBER, _TRACK, _MARGIN = 130, 240, 90, 330, 30
_TOP, _ROW = 74, 46
# The faster half is light, the tail is dark.
_COLOURS = {"p50": "#8fc3d4", "p95": svg.OURS, "p99": "#d98324", "p99.9": "#b8442e"}


def picture(report: Report) -> str:
    """The picture as SVG. Percentiles that have too few answers are not in it."""
    version = "" if report.version is None else f" version {report.version}"
    width = _LABEL + _BAR + _NUMBER + _TRACK + _MARGIN
    height = _TOP + _ROW * len(report.windows) + 34
    return svg.page(f"{report.model}{version}, {report.url}", width, height, _parts(report))


def _parts(report: Report) -> Iterator[str]:
    left = _LABEL + _BAR + _NUMBER
    yield svg.text(_LABEL, 54, "answers a second", size=12)
    yield svg.text(left, 54, "latency in ms, logarithmic", size=12)
    most = max(window.throughput for window in report.windows) or 1
    scale = _Scale(report.windows)
    for index, window in enumerate(report.windows):
        y = _TOP + _ROW * index
        connections = "1 connection" if window.concurrency == 1 else f"{window.concurrency} connections"
        yield svg.text(_LABEL - 10, y + 15, connections, anchor="end")
        length = max(1.5, _BAR * window.throughput / most)
        yield svg.rectangle(_LABEL, y, length, 20, svg.OURS)
        yield svg.text(_LABEL + length + 8, y + 15, f"{window.throughput:,.0f}")
        yield svg.rectangle(left, y + 8, _TRACK, 4, svg.FAINT)
        for name, value in _known(window):
            x = left + _TRACK * scale(value)
            yield svg.dot(x, y + 10, _COLOURS[name])
        told = " · ".join(f"{name} {value:.3g}" for name, value in _known(window))
        yield svg.text(left, y + 30, told, size=11)
    y, x = _TOP + _ROW * len(report.windows) + 12, float(left)
    for name, colour in _COLOURS.items():
        yield svg.dot(x + 6, y - 4, colour)
        yield svg.text(x + 16, y, name, size=12)
        x += 70


def _known(window: Window) -> list[tuple[str, float]]:
    found = [(name, window.milliseconds(percent)) for name, percent in PERCENTILES.items()]
    return [(name, value) for name, value in found if value is not None]


class _Scale:
    """Milliseconds → 0 to 1, logarithmically, from the smallest value to the largest."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        values = [max(value, 1e-6) for window in windows for _, value in _known(window)] or [1.0]
        self._low, self._high = math.log(min(values)), math.log(max(values))

    def __call__(self, value: float) -> float:
        width = self._high - self._low
        return (math.log(max(value, 1e-6)) - self._low) / width if width > 0 else 0.5
