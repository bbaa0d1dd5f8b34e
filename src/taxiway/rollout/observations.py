"""What a rollout has seen so far, as counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.evidence.means import Arm
from taxiway.rollout.evidence.paired import Paired
from taxiway.rollout.evidence.ratio import Assigned

__all__ = ["ALWAYS_JUDGED", "Exposure", "Observations", "Tally"]

ALWAYS_JUDGED = "errors"
"""The guard that counts from the first answer on."""


@dataclass(frozen=True)
class Tally:
    """One arm's answers, and by guard the ``bad`` ones: of each unit the first, since only those are independent.

    ``units`` got them, and ``bad_answers`` are all that were bad. Where these are not given, each answer was another
    unit's. The first ``unsettled`` answers, after the new version was loaded, say nothing of times and are not held
    against it.
    """

    answered: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)
    units: int | None = None
    bad_answers: Mapping[str, int] | None = None
    unsettled: int = 0

    def judged(self, guard: str) -> int:
        """The answers that a guard looked at."""
        return self._of(guard, self.answered)

    def exposed(self, guard: str) -> int:
        """How many units could have met with something bad."""
        return self._of(guard, self.answered if self.units is None else self.units)

    def _of(self, guard: str, count: int) -> int:
        """So many without the unsettled ones; each may have been the only one of its unit."""
        return count if guard == ALWAYS_JUDGED else max(count - self.unsettled, 0)

    def all_bad(self, guard: str) -> int:
        """Every bad answer, also a second one to the same unit."""
        return (self.bad if self.bad_answers is None else self.bad_answers).get(guard, 0)


@dataclass(frozen=True)
class Exposure:
    """Both arms while the canary had ``share`` of their joint traffic; one half with a control of equal size."""

    canary: Tally
    control: Tally
    share: float = 0.5


@dataclass(frozen=True)
class Observations:
    """Everything since the rollout began, except ``step_units`` (canary, control), which begins with each step.

    ``assigned`` counts units where the routing sent them, ``served`` those of them that got an answer, and ``labelled``
    those that a label came for, a part for each step, in which each unit is counted once; all three begin anew when a
    person resumes what they paused, or a process begins to count, and ``split_before`` parts were looked at before
    that. ``paired`` holds the shadow comparison of each paired guard. ``goal`` is (canary, control).
    ``base_rates`` are the old version's rates of bad answers, fixed before the rollout began; a guard without one
    counts as 0, which allows least.
    """

    exposures: tuple[Exposure, ...] = ()
    step_units: tuple[int, int] = (0, 0)
    recent: Recent = field(default_factory=Recent)
    assigned: tuple[Assigned, ...] = ()
    served: tuple[Assigned, ...] = ()
    labelled: tuple[Assigned, ...] = ()
    split_before: int = 0
    paired: Mapping[str, Paired] = field(default_factory=dict)
    goal: tuple[Arm, Arm] | None = None
    base_rates: Mapping[str, float] = field(default_factory=dict)
