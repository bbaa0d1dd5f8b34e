"""What a rollout wants served in each of its states: versions in memory, who answers, and how requests are shared out.

The canary takes the units from 0 on and its control as many from one half on. Both only grow, so nobody who was the
canary's or the control's is ever anything else before the rollout ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxiway.rollout.plan import RolloutPlan, Watch
from taxiway.rollout.states import BEFORE, State

__all__ = ["CANARY", "CONTROL", "MEASURED", "STABLE", "Sides", "Variant", "experiment", "experiment_wish", "wish"]

CANARY, CONTROL, STABLE = "canary", "control", "stable"
MEASURED = "measured"
"""Before the ramp, the half whose units are counted."""
_CONTROL_BEGINS_PPM = 500_000


@dataclass(frozen=True)
class Sides:
    """The two versions of a rollout, its name and salt, and the newest version that was there when it began."""

    name: str
    salt: str
    source: int
    target: int
    above: int


@dataclass(frozen=True)
class Variant:
    """An arm of an experiment: its share of the units, which begin at ``begin_ppm``."""

    name: str
    version: int
    share: float
    begin_ppm: int

    @property
    def share_ppm(self) -> int:
        """The share in millionths."""
        return _ppm(self.share)


def experiment_wish(
    sides: Sides, plan: RolloutPlan, arms: Sequence[Variant], state: State, slow_us: Mapping[str, int]
) -> dict[str, Any]:
    """As :func:`wish`, for an experiment before an arm is promoted; ``arms`` with its control."""
    shown = [
        {"name": arm.name, "version": arm.version, "share_ppm": arm.share_ppm, "begin_ppm": arm.begin_ppm}
        for arm in arms
    ]
    if state in BEFORE:
        shown = _measuring(sides, {arm.name: arm.version for arm in arms if arm.name != CONTROL})
    versions = sorted({sides.source, *(arm.version for arm in arms)})
    return _wish(sides.source, versions, sides.above, _route(sides, plan, state, shown, slow_us))


def wish(sides: Sides, plan: RolloutPlan, state: State, step: int, slow_us: Mapping[str, int]) -> dict[str, Any] | None:
    """The document of the rollout's wish in ``state``; None when it wants nothing.

    Args:
        sides: the versions.
        plan: what is planned.
        state: where it is; while paused, ``step`` says where it was.
        step: an index into the plan's steps, -1 before the canary.
        slow_us: by guard, above how many microseconds an answer is slow.
    """
    both = sorted({sides.source, sides.target})
    if state in BEFORE:
        arms = _measuring(sides, {CANARY: sides.target})
        return _wish(sides.source, both, sides.above, _route(sides, plan, state, arms, {}))
    if state in (State.SHADOW, State.CANARY, State.PAUSED):
        arms = [] if step < 0 else _arms(sides, plan.steps[step])
        route = _route(sides, plan, state, arms, slow_us)
        if plan.shadow and (step < 0 or any(guard.watch is Watch.PAIRED for guard in plan.guards)):
            # On through the canary only for what learns by it: copies slow the canary down, and not its control.
            route["shadow"] = {"version": sides.target, "share_ppm": _ppm(plan.shadow)}
        return _wish(sides.source, both, sides.above, route)
    if state is State.PROMOTING:
        return _wish(sides.target, both, sides.above, _route(sides, plan, state, [], slow_us))
    if state is State.LIVE:
        return _wish(None, both, None, _route(sides, plan, state, [], slow_us))
    return _wish(sides.source, [sides.source], sides.above, None) if state is State.ROLLING_BACK else None


def experiment(name: str, state: State) -> str:
    """What the data plane counts under in ``state``; before the ramp, under a name of its own."""
    return f"{name}-before" if state in BEFORE else name


def _wish(default: int | None, versions: list[int], above: int | None, route: dict[str, Any] | None) -> dict[str, Any]:
    return {"default": default, "versions": versions, "above": above, "route": route}


def _route(
    sides: Sides, plan: RolloutPlan, state: State, arms: list[dict[str, Any]], slow_us: Mapping[str, int]
) -> dict[str, Any]:
    name = plan.key.removeprefix("input:")
    return {
        "experiment": experiment(sides.name, state),
        "salt": sides.salt,
        "key": {"header": name} if name == plan.key else {"field": name},
        "arms": arms,
        "slow_us": dict(slow_us),
    }


def _arms(sides: Sides, share: float) -> list[dict[str, Any]]:
    arms = ((CANARY, sides.target, 0), (CONTROL, sides.source, _CONTROL_BEGINS_PPM))
    return [
        {"name": name, "version": version, "share_ppm": _ppm(share), "begin_ppm": begin}
        for name, version, begin in arms
    ]


def _measuring(sides: Sides, brought: Mapping[str, int]) -> list[dict[str, Any]]:
    """Before the ramp one half of the units is counted apart, so that it is known how many requests a unit makes.

    The new versions get nothing. A route is in force once all its versions serve: nothing is measured while they load.
    """
    waiting = [{"name": name, "version": to, "share_ppm": 0, "begin_ppm": 0} for name, to in brought.items()]
    half = {"version": sides.source, "share_ppm": _ppm(0.5), "begin_ppm": _CONTROL_BEGINS_PPM}
    return [*waiting, {"name": MEASURED, **half}]


def _ppm(share: float) -> int:
    return round(share * 1_000_000)
