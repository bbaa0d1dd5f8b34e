"""What a rollout is to do: how it grows, what guards it, when it ends."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from taxiway.errors import InvalidArgument
from taxiway.rollout.demand import ReplayDemand

__all__ = ["KNOWN_GUARDS", "Goal", "Guard", "RolloutPlan", "Undecided", "Watch"]

LARGEST_SHARE = 0.5
LEAST_SHARE = 1e-6
"""The data plane shares requests out in millionths."""
# A header's name (RFC 9110), not longer than what any proxy lets through.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")


class Watch(Enum):
    """What a guard looks at."""

    EVENTS = "bad events of the canary and of its control"
    PAIRED = "right and wrong answers of both versions to the same requests"


class Undecided(Enum):
    """What becomes of a rollout whose time is over and whose evidence is not enough."""

    HOLD = "hold"
    SHIP = "ship"


@dataclass(frozen=True)
class Guard:
    """Something that must not get worse.

    Evidence that the canary is more than ``1 + harm_margin`` times as bad as its control puts the old version back. The
    new one is promoted on proof that it is less than ``safe_ratio`` times as bad, or, whichever allows more, less than
    ``safe_points`` (a fraction of all answers) worse. Either may be None, not both. A paired guard takes points only,
    and its harm margin is how far above one half the new version's part of the differing answers may be.
    """

    name: str
    watch: Watch = Watch.EVENTS
    harm_margin: float = 0.0
    safe_ratio: float | None = 2.0
    safe_points: float | None = None

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise InvalidArgument(f"a guard cannot be called {self.name!r}", hint="letters, digits, - and _")
        if self.safe_ratio is None and self.safe_points is None:
            raise InvalidArgument(
                f"guard {self.name} says nothing of what is safe",
                hint="give a ratio (x2), points (0.5pt), or both",
            )
        if self.safe_ratio is not None and not 1 < self.safe_ratio <= 100:
            raise InvalidArgument(
                f"guard {self.name} allows {self.safe_ratio:g} times as much; equality can never be proven",
                hint="a ratio above 1, such as x1.5",
            )
        if self.safe_points is not None and not 0 < self.safe_points < 1:
            raise InvalidArgument(
                f"guard {self.name} allows {100 * self.safe_points:g} points", hint="between 0 and 100, such as 0.5pt"
            )
        largest = 0.5 if self.watch is Watch.PAIRED else 100
        if not 0 <= self.harm_margin < largest:
            raise InvalidArgument(f"guard {self.name} has a harm margin of {self.harm_margin:g}", hint="0 is usual")
        if self.watch is Watch.PAIRED and (self.safe_ratio is not None or self.safe_points is None):
            raise InvalidArgument(
                f"guard {self.name} compares answers to the same requests, which takes points and no ratio",
                hint=f"{self.name}=1pt",
            )


# What `--guard NAME` means without a margin of its own. Two engines of one version are never equally fast: a guard of
# times convicts when it is surely more than a quarter worse, and not because it is surely not quite as good.
KNOWN_GUARDS = {
    guard.name: guard
    for guard in (
        Guard("errors", safe_ratio=2.0, safe_points=0.005),
        Guard("p95", harm_margin=0.25, safe_ratio=1.5),
        Guard("p99", harm_margin=0.25, safe_ratio=2.0),
        Guard("accuracy", Watch.PAIRED, safe_ratio=None, safe_points=0.01),
    )
}


@dataclass(frozen=True)
class Goal:
    """A metric whose average should change for the better; ``expected`` observations of both arms decide it."""

    name: str
    higher_is_better: bool = True
    expected: int = 5000


@dataclass(frozen=True)
class RolloutPlan:
    """A rollout of version ``to`` of ``model``. Shares are fractions of the model's requests.

    ``steps`` are the canary's shares, growing, the largest one half, since its control is as large. Without a control
    no further step could be judged: what follows the last step is promotion. ``shadow`` is the share of requests that
    is copied to the new version before any is answered by it; 0 leaves that out. A step lasts at least
    ``step_seconds`` and ``step_units`` units an arm. ``at_most_affected`` is a budget of requests answered badly, from
    which :mod:`.budget` works out the steps. ``harm_alpha`` is shared between the guards. Before all that the
    traffic is measured for at most ``measure_seconds``. ``key`` is the header that says whose a request is, or
    ``input:NAME`` for an input of the model. ``replay`` is what recorded requests must come to before all others. When
    a server's process ended ``max_crashes`` times in no order while the new version was in it, the old one is put back.
    """

    model: str
    to: int
    steps: tuple[float, ...] = (0.01, 0.05, 0.10, 0.25, 0.50)
    guards: tuple[Guard, ...] = (KNOWN_GUARDS["errors"], KNOWN_GUARDS["p95"])
    goal: Goal | None = None
    shadow: float = 0.0
    step_seconds: float = 600.0
    step_units: int = 200
    max_seconds: float = 7200.0
    at_most_affected: int | None = None
    undecided: Undecided = Undecided.HOLD
    rollback_window_seconds: float = 86400.0
    harm_alpha: float = 0.01
    safe_alpha: float = 0.05
    measure_seconds: float = 300.0
    key: str = "x-routing-key"
    replay: ReplayDemand | None = None
    max_crashes: int = 3

    def __post_init__(self) -> None:
        _check_target(self.model, self.to)
        _check_steps(self.steps)
        _check_guards(self.guards)
        _check_limits(self)
        paired = [guard.name for guard in self.guards if guard.watch is Watch.PAIRED]
        if paired and not self.shadow:
            raise InvalidArgument(
                f"guard {paired[0]} compares both versions' answers to the same requests, and nothing is shadowed",
                hint=f"shadow = 10 copies a tenth of the requests; or leave {paired[0]} out",
            )
        least = self.step_seconds * (len(self.steps) + (self.shadow > 0))
        if least > self.max_seconds:
            raise InvalidArgument(
                f"{len(self.steps)} steps of {self.step_seconds:g} s take {least:g} s, and the rollout may take "
                f"{self.max_seconds:g} s",
                hint=f"allow at least {math.ceil(least / 60)}m, or take fewer or shorter steps",
            )

    @property
    def guard_alpha(self) -> float:
        """The chance of a false accusation that each guard may use, so that together they stay within the plan's."""
        return self.harm_alpha / len(self.guards)


def _check_target(model: str, to: int) -> None:
    if not model:
        raise InvalidArgument("the plan names no model", hint='model = "NAME"')
    if to < 0:
        raise InvalidArgument(f"there is no version {to}", hint="versions are whole numbers from 0")


def _check_steps(steps: Sequence[float]) -> None:
    shown = ", ".join(f"{100 * share:g} %" for share in steps)
    if not steps:
        raise InvalidArgument("the plan has no steps", hint="steps = [1, 5, 10, 25, 50]")
    if any(0 < share < LEAST_SHARE for share in steps):
        raise InvalidArgument(
            f"of the steps {shown} the smallest is less than 0.0001 %", hint="a larger one, such as 1"
        )
    if not all(0 < share <= LARGEST_SHARE for share in steps):
        raise InvalidArgument(
            f"the steps {shown} do not all lie above 0 and up to 50 %",
            hint="the canary's control takes as much again, so 50 % is the largest; promotion follows it",
        )
    if any(after <= before for before, after in itertools.pairwise(steps)):
        raise InvalidArgument(f"the steps {shown} do not grow", hint="each step is larger than the one before")


def _check_guards(guards: Sequence[Guard]) -> None:
    names = [guard.name for guard in guards]
    if not names:
        raise InvalidArgument(
            "the plan has no guard, so nothing would ever stop a bad version", hint='guards = ["errors", "p95"]'
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgument(f"guard {twice[0]} is given twice", hint="one guard a name")


def _check_key(key: str) -> None:
    field = key.removeprefix("input:")
    if field != key:
        fits = bool(field) and field.isprintable()
    else:
        fits = _HEADER.fullmatch(key) is not None
    if not fits:
        what = (
            "an input's name" if field != key else "a header's name, which has letters, digits and signs but no space"
        )
        raise InvalidArgument(f"a key {key!r}, which is not {what}", hint='key = "x-routing-key" or "input:user"')


def _check_limits(plan: RolloutPlan) -> None:
    if not 0 <= plan.shadow <= 1:
        raise InvalidArgument(f"a shadow share of {100 * plan.shadow:g} %", hint="0 to 100")
    _check_key(plan.key)
    if plan.measure_seconds < 0:
        raise InvalidArgument(f"measured for {plan.measure_seconds:g} s", hint="durations are not negative")
    if plan.step_units < 1 or plan.step_seconds < 0 or plan.max_seconds <= 0 or plan.rollback_window_seconds < 0:
        raise InvalidArgument(
            f"a step of {plan.step_seconds:g} s and {plan.step_units} units, {plan.max_seconds:g} s in all, a rollback "
            f"window of {plan.rollback_window_seconds:g} s",
            hint="durations are not negative, and a step takes at least one unit",
        )
    for name, alpha in (("harm_alpha", plan.harm_alpha), ("safe_alpha", plan.safe_alpha)):
        if not 0 < alpha < 1:
            raise InvalidArgument(f"{name} is {alpha:g}", hint="a chance between 0 and 1, such as 0.01")
    if plan.max_crashes < 1:
        raise InvalidArgument(f"max_crashes is {plan.max_crashes}", hint="at least 1; a killed process counts too")
    if plan.at_most_affected is not None and plan.at_most_affected < 1:
        raise InvalidArgument(f"at most {plan.at_most_affected} affected", hint="at least 1")
