"""What was found: of each guard, of the goal, of the rollout as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from taxiway.rollout.plan import Guard

__all__ = ["SUSPICION", "Finding", "GoalFinding", "GoalVerdict", "Judgement", "Verdict"]

SUSPICION = 10.0
"""Evidence of harm, ten to one, from which on a rollout grows no more until it is gone."""


class Finding(Enum):
    """What a guard found."""

    HARM = "worse"
    SUSPICION = "perhaps worse"
    OPEN = "not decided"
    SAFE = "proven within its margin"


class GoalFinding(Enum):
    """What became of the goal."""

    BETTER = "better"
    OPEN = "not decided"
    WORSE = "worse"


@dataclass(frozen=True)
class Verdict:
    """Of one guard.

    ``estimate`` between ``low`` and ``high`` is the canary's rate over the control's, or for a paired guard the
    difference of accuracy. ``log_e_harm`` and ``log_e_safe`` are the evidence for rolling back and for promoting.
    ``requests_to_decide`` is how many more requests of both arms (for a paired guard: of both versions' shadow) are
    needed if all goes on as so far: 0 when decided, None when that never decides it.
    """

    guard: Guard
    finding: Finding
    estimate: float
    low: float
    high: float
    log_e_harm: float
    log_e_safe: float
    requests_to_decide: int | None


@dataclass(frozen=True)
class GoalVerdict:
    """Of the goal: the canary's average minus the control's, between bounds, its always-valid p-value.

    ``observations_to_decide`` counts both arms; 0 when decided, None when the difference seen never decides it.
    """

    finding: GoalFinding
    estimate: float
    low: float
    high: float
    p: float
    observations_to_decide: int | None


@dataclass(frozen=True)
class Judgement:
    """All that a decision rests on.

    ``split_uneven`` and ``labels_uneven`` say that the arms do not get their shares of requests, or of labels, and
    ``step_units`` how many units the arm with the fewer has at this step.
    """

    verdicts: tuple[Verdict, ...]
    braked: bool = False
    split_uneven: bool = False
    labels_uneven: bool = False
    goal: GoalVerdict | None = None
    step_units: int = 0
