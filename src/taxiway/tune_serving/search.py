"""What to make of trials: the score of one, who is measured again, and which one is best. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.load import Window
from taxiway.load.percentiles import percentile
from taxiway.tune_serving.candidate import Candidate

__all__ = ["FINALISTS", "Choice", "Target", "Trial", "choose", "finalists", "leader"]

# So many are measured again, the plain first one among them.
FINALISTS = 4
# Differences below this are noise whatever a few rounds say.
_LEAST_NOISE = 0.03


@dataclass(frozen=True)
class Target:
    """The latency that is allowed: ``percent`` of the answers within ``milliseconds``.

    Raises:
        InvalidArgument: a number is out of its range.
    """

    milliseconds: float = 10.0
    percent: float = 95.0

    def __post_init__(self) -> None:
        if not 0 < self.milliseconds < 1e7:
            raise InvalidArgument(f"The latency is {self.milliseconds:g} ms; it must be above 0.")
        if not 50 <= self.percent <= 99.9:
            raise InvalidArgument(f"The percentile is {self.percent:g}; it must be from 50 to 99.9.")

    def reached(self, window: Window) -> bool:
        """Whether a window is within it, and every request was answered."""
        found = self.of(window)
        return found is not None and found <= self.milliseconds and not window.failures

    def of(self, window: Window) -> float | None:
        """The percentile in milliseconds, however few answers there are; None without any."""
        return percentile(window.latencies, self.percent) / 1e6 if window.answers else None


@dataclass
class Trial:
    """A candidate and what was measured of it.

    Attributes:
        candidate: the settings.
        rounds: of each measurement a window for each concurrency.
        problem: why it is out: it does not load, or answers otherwise; None when it is not.
        stage: ``engine``, ``threads`` or, when it was measured again, ``final``.
    """

    candidate: Candidate
    rounds: list[Sequence[Window]] = field(default_factory=list)
    problem: str | None = None
    stage: str = "engine"

    def scores(self, target: Target) -> list[float]:
        """Of each round the highest throughput within the target; 0 where none is."""
        return [max((one.throughput for one in each if target.reached(one)), default=0.0) for each in self.rounds]

    def score(self, target: Target) -> float:
        """The median of the rounds; of finalists without the first, which chose them and so flatters them."""
        scores = self.scores(target)
        return statistics.median(scores[1:] or scores) if scores and self.problem is None else 0.0

    def best(self, target: Target) -> Window | None:
        """The window that stands for it: of the round with the median score; without one in the target, the fastest."""
        windows = [one for each in (self.rounds[1:] or self.rounds) for one in each if one.answers]
        within = [one for one in windows if target.reached(one)]
        if not within:
            return min(windows, key=lambda one: target.of(one) or 0.0, default=None)
        return min(within, key=lambda one: abs(one.throughput - self.score(target)))

    def as_json(self, target: Target) -> dict[str, Any]:
        """For programs."""
        best = self.best(target)
        return {
            **self.candidate.as_json(),
            "stage": self.stage,
            "problem": self.problem,
            "requests_per_second": self.score(target),
            "scores": self.scores(target),
            "concurrency": best.concurrency if best else None,
            "latency_ms": target.of(best) if best else None,
            "rounds": [[one.as_json() for one in each] for each in self.rounds],
        }


@dataclass(frozen=True)
class Choice:
    """Which trial is best, and why.

    Attributes:
        best: the chosen one; None when none is within the target.
        noise: the part by which equal trials were seen to differ.
        equals: others that are no worse than that, and need as many settings or more.
        because: in a sentence.
    """

    best: Trial | None
    noise: float
    equals: tuple[Trial, ...]
    because: str


def leader(trials: Sequence[Trial], target: Target) -> Trial | None:
    """The best trial so far; when none is within the target the one with the lowest latency, None without any."""
    measured = [one for one in trials if one.problem is None and one.best(target) is not None]
    return max(measured, key=lambda one: (one.score(target), -_latency(one, target)), default=None)


def finalists(trials: Sequence[Trial], target: Target) -> list[Trial]:
    """Who is measured again: the best, and the first, with which the user would be without tuning."""
    sound = [one for one in trials if one.problem is None and one.score(target) > 0]
    ranked = sorted(sound, key=lambda one: one.score(target), reverse=True)[:FINALISTS]
    first = trials[0] if trials else None
    if first in sound and first not in ranked:
        ranked[-1:] = [first]
    return ranked


def choose(trials: Sequence[Trial], target: Target) -> Choice:
    """The best of those that were measured again, or of all when none was.

    Throughput within the target decides. What is as good within the noise counts as equal, and of equals the one with
    the fewest settings is taken. The noise is the largest spread of a finalist's rounds, 3 % at least.
    """
    again = [one for one in trials if len(one.rounds) > 1 and one.problem is None]
    pool = [one for one in (again or trials) if one.score(target) > 0]
    if not pool:
        nearest = leader(trials, target)
        if nearest is None:
            return Choice(None, _LEAST_NOISE, (), "no request was answered")
        told = f"{_latency(nearest, target):.3g} ms with {nearest.candidate.title}"
        return Choice(None, _LEAST_NOISE, (), f"nothing is within the target; the nearest is {told}")
    noise = max([_LEAST_NOISE, *(_spread(one.scores(target)[1:]) for one in again)])
    fastest = max(pool, key=lambda one: one.score(target))
    equal = [one for one in pool if one.score(target) >= fastest.score(target) * (1 - noise)]
    best = min(equal, key=lambda one: (one.candidate.complexity, -one.score(target)))
    others = tuple(one for one in equal if one is not best)
    return Choice(best, noise, others, _because(best, fastest, others, noise, target))


def _because(best: Trial, fastest: Trial, others: Sequence[Trial], noise: float, target: Target) -> str:
    if best is not fastest:
        ahead = fastest.score(target) / best.score(target) - 1
        return (
            f"{fastest.candidate.title} was {ahead:.0%} ahead, within the noise of {noise:.0%}: "
            "the simpler settings are taken"
        )
    if others:
        return f"{len(others)} others are as good within the noise of {noise:.0%}, and none needs fewer settings"
    return f"no other comes within the noise of {noise:.0%}"


def _spread(scores: Sequence[float]) -> float:
    middle = statistics.median(scores) if scores else 0.0
    return (max(scores) - min(scores)) / middle if middle > 0 else 0.0


def _latency(trial: Trial, target: Target) -> float:
    best = trial.best(target)
    found = target.of(best) if best is not None else None
    return float("inf") if found is None else found
