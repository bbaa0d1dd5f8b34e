"""Trials as values, and what can be said of all of them: counts, the best, what was lost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from taxiway.tune.description import Goal

__all__ = ["Trial", "TrialState", "best_of", "failed", "finished", "ranked", "to_retry"]

MAX_RETRIES = 3


class TrialState(Enum):
    """What has become of a trial."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"  # early: worse than the others, or its value was no number
    FAILED = "failed"  # the job raised
    LOST = "lost"  # the process that trained it is gone; another trial goes on with it


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of the space and what came of it.

    Attributes:
        number: counted from 0 in the study.
        state: what has become of it.
        params: what the study chose.
        value: the goal's metric after the last epoch; None before, and when it failed.
        epochs: the metric by epoch, as far as it is known.
        seconds: how long it took.
        error: why it failed.
        retry_of: the numbers of the lost trials that it goes on with, the first one first.
        worker: which process trains it.
    """

    number: int
    state: TrialState
    params: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    epochs: Mapping[int, float] = field(default_factory=dict)
    seconds: float | None = None
    error: str | None = None
    retry_of: tuple[int, ...] = ()
    worker: str | None = None

    @property
    def first(self) -> int:
        """The number it had when it was first begun; decides its seed."""
        return self.retry_of[0] if self.retry_of else self.number

    def as_json(self) -> dict[str, Any]:
        """What the commands print."""
        return {
            "number": self.number, "state": self.state.value, "value": self.value, "params": dict(self.params),
            "seconds": self.seconds, "epochs": {str(epoch): value for epoch, value in self.epochs.items()},
            "error": self.error, "retry_of": list(self.retry_of),
        }  # fmt: skip


def finished(trials: Sequence[Trial]) -> int:
    """How many count towards the budget."""
    return sum(one.state in (TrialState.COMPLETE, TrialState.STOPPED) for one in trials)


def failed(trials: Sequence[Trial]) -> int:
    """How many failed, those among them whose process was lost once too often."""
    return sum(
        one.state is TrialState.FAILED or (one.state is TrialState.LOST and len(one.retry_of) >= MAX_RETRIES)
        for one in trials
    )


def to_retry(trials: Sequence[Trial]) -> list[Trial]:
    """The lost trials that nothing goes on with yet, and that may be begun again."""
    followed = {number for one in trials for number in one.retry_of}
    return [
        one
        for one in trials
        if one.state is TrialState.LOST and one.number not in followed and len(one.retry_of) < MAX_RETRIES
    ]


def ranked(trials: Sequence[Trial], goal: Goal) -> list[Trial]:
    """The complete trials, best first; of equals the earlier one."""
    complete = [one for one in trials if one.state is TrialState.COMPLETE and one.value is not None]
    sign = -1.0 if goal.direction == "maximize" else 1.0
    return sorted(complete, key=lambda one: (sign * (one.value or 0.0), one.number))


def best_of(trials: Sequence[Trial], goal: Goal) -> Trial | None:
    """The best complete trial; None before there is one."""
    return next(iter(ranked(trials, goal)), None)
