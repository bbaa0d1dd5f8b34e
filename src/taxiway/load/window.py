"""What one window of load came to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxiway.load.percentiles import least_answers, percentile
from taxiway.types import JsonObject

__all__ = ["PERCENTILES", "Failure", "Window", "window_of"]

# name: percent
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True)
class Failure:
    """Requests that were refused or broke: their code, how many, and the words of the first."""

    code: str
    count: int
    message: str


@dataclass(frozen=True)
class Window:
    """A stretch of load at one concurrency.

    Attributes:
        concurrency: connections, each with one request in flight.
        rate: requests a second that fell due; None in a closed loop.
        seconds: how long it was measured.
        answers: requests that were begun in it and answered.
        in_time: answers that came before its end; throughput counts these.
        latencies: nanoseconds → answers that took so long, within one percent; failures are not among them.
        failures: what was not answered.
        unsent: requests that fell due and were never sent, since no connection was free.
        lateness: nanoseconds → requests sent so long after their moment although a connection was free.
        busy: of each thread of the generator, the part of the time that it worked.
        slices: answers of each tenth of the window.
        whole: whether it was not interrupted.
    """

    concurrency: int
    rate: float | None
    seconds: float
    answers: int
    in_time: int
    latencies: Mapping[int, int]
    failures: tuple[Failure, ...] = ()
    unsent: int = 0
    lateness: Mapping[int, int] | None = None
    busy: tuple[float, ...] = ()
    slices: tuple[int, ...] = ()
    whole: bool = True

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.in_time / self.seconds if self.seconds > 0 else 0.0

    @property
    def failed(self) -> int:
        """How many requests were refused or broke."""
        return sum(one.count for one in self.failures)

    def milliseconds(self, percent: float) -> float | None:
        """Within which ``percent`` of the answers came; None when there are too few to say."""
        if self.answers < least_answers(percent):
            return None
        return percentile(self.latencies, percent) / 1e6

    def late_milliseconds(self, percent: float) -> float | None:
        """Within which ``percent`` of the requests that a free connection waited for were sent."""
        return percentile(self.lateness, percent) / 1e6 if self.lateness else None

    def as_json(self) -> dict[str, Any]:
        """For programs; null where there are too few answers for a percentile."""
        return {
            "concurrency": self.concurrency,
            "rate": self.rate,
            "seconds": self.seconds,
            "requests_per_second": self.throughput,
            "answers": self.answers,
            **{f"{name}_ms": self.milliseconds(percent) for name, percent in PERCENTILES.items()},
            "max_ms": max(self.latencies) / 1e6 if self.latencies else None,
            "errors": [{"code": one.code, "count": one.count, "message": one.message} for one in self.failures],
            "unsent": self.unsent,
            "late_p99_ms": self.late_milliseconds(99),
            "generator_busy": list(self.busy),
            "answers_by_tenth": list(self.slices),
            "whole": self.whole,
        }


def window_of(asked: JsonObject, document: JsonObject) -> Window:
    """The value of the generator's two documents: what was asked of it, and what it came to."""
    return Window(
        concurrency=asked["concurrency"],
        rate=asked["rate"],
        seconds=document["seconds"],
        answers=document["answers"],
        in_time=document["in_time"],
        latencies=dict(document["latencies"]),
        failures=tuple(Failure(one["code"], one["count"], one["message"]) for one in document["errors"]),
        unsent=document["unsent"],
        lateness=dict(document["lateness"]),
        busy=tuple(document["busy"]),
        slices=tuple(document["slices"]),
        whole=document["whole"],
    )
