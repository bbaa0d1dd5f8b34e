"""What a search is bound by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.load import Plan
from taxiway.tune_serving.place import ENGINES
from taxiway.tune_serving.search import FINALISTS, Target

__all__ = ["ROUNDS", "Options", "options_of"]

ROUNDS = 4
# What a server takes to start and end; a guess that only shares out the time.
_START_SECONDS = 3.0
_EXPLORING = 0.6
_LEAST_SECONDS, _MOST_SECONDS = 0.2, 3.0


@dataclass(frozen=True)
class Options:
    """How a model is tried.

    Attributes:
        latency_ms: what ``percentile`` percent of the answers must be within.
        percentile: see ``latency_ms``.
        concurrency: connections that ask at once, a window each in every trial.
        budget_seconds: how long all of it may take; what has begun is finished.
        signature: which way to ask; ``serving_default`` when None.
        rows: rows of a request; recorded requests stay as they are.
        protocol: ``grpc`` or ``rest``.
        engines: which may be tried.

    Raises:
        InvalidArgument: one of them is out of its range.
    """

    latency_ms: float = 10.0
    percentile: float = 95.0
    concurrency: tuple[int, ...] = (1, 8, 32)
    budget_seconds: float = 300.0
    signature: str | None = None
    rows: int = 1
    protocol: str = "grpc"
    engines: tuple[str, ...] = ENGINES

    def __post_init__(self) -> None:
        Plan(concurrency=self.concurrency, rows=self.rows)
        Target(self.latency_ms, self.percentile)
        if not 1 <= self.budget_seconds <= 86_400:
            raise InvalidArgument(f"The budget is {self.budget_seconds:g} s; it must be from a second to a day.")
        if self.protocol not in ("grpc", "rest"):
            raise InvalidArgument(f"{self.protocol!r} is no protocol.", hint="grpc or rest")

        if not self.engines or set(self.engines) - set(ENGINES):
            raise InvalidArgument(
                f"{', '.join(self.engines) or 'Nothing'} cannot be tried.", hint=" and ".join(ENGINES)
            )

    @property
    def target(self) -> Target:
        """The latency that is allowed."""
        return Target(self.latency_ms, self.percentile)

    @property
    def exploring_seconds(self) -> float:
        """How long new candidates may be begun."""
        return self.budget_seconds * _EXPLORING

    def window_seconds(self, trials: int) -> float:
        """How long a window is while ``trials`` candidates are tried once."""
        each = self.exploring_seconds / max(1, trials) - _START_SECONDS
        return _bounded(each / len(self.concurrency))

    def final_seconds(self, left_seconds: float) -> float:
        """How long a window of the last rounds is, with so much time left."""
        windows = ROUNDS * FINALISTS * len(self.concurrency)
        return _bounded((left_seconds - FINALISTS * _START_SECONDS) / windows)


def _bounded(seconds: float) -> float:
    # A tenth more passes before a window counts.
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, seconds / 1.1))


def options_of(given: dict[str, Any]) -> Options:
    """The options.

    Raises:
        InvalidArgument: an unknown name, or a value out of its range.
    """
    if unknown := sorted(set(given) - set(Options.__dataclass_fields__)):
        known = ", ".join(Options.__dataclass_fields__)
        raise InvalidArgument(f"{', '.join(unknown)} cannot be said of a search.", hint=f"It knows {known}.")
    return Options(**given)
