"""What the old version does before the ramp: how much traffic there is, how often it fails, what slow means.

Fixed before anything is compared, and after the new version was loaded, since loading slows the old one down. The tests
of the guards hold whatever the times for "slow" are: both arms are held to the same. But a time that is far from the
quantile it is named for takes long to tell anything, so a thousand answers are wanted for it.

Where nothing is called slow it is only asked how many requests come, of how many users, and that takes a few hundred.
How often the old version fails they tell badly, so a failure among them is taken for one among a thousand: a rate that
is too low asks more of the new version, one that is too high would let a worse one pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.rollout.budget import Traffic, affected_at_most, check_traffic, with_steps
from taxiway.rollout.plan import RolloutPlan, Watch
from taxiway.rollout.routing import MEASURED

__all__ = ["LATENCIES", "WANTED", "Baseline", "check_guards", "measured", "prepare", "progress"]

LATENCIES: Mapping[str, float] = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01, "p999": 0.001}
"""Guards that call an answer slow: the quantile's name, and how many of the old version's answers are slower."""
COUNTED = frozenset({"errors", *LATENCIES})
WANTED = 1000
"""So many answers fix a 95th percentile well enough: of the old version's answers 4.3 to 5.7 % are slower, not 5."""
FEW = 300
"""So many tell how many requests come, of how many units, where no time is to be fixed."""
# When it is told what will not come: nothing at all, or far too little for a guard of times.
_SOON_SECONDS = 10.0


@dataclass(frozen=True)
class Baseline:
    """What the old version does.

    Its rates of bad answers by guard, the times in microseconds above which an answer is slow, the model's requests a
    second, and the most requests that a bad version may answer badly.
    """

    base_rates: Mapping[str, float]
    slow_us: Mapping[str, int]
    requests_per_second: float
    affected_at_most: int

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Baseline:
        """From the journal; an empty document is a baseline not measured yet."""
        return cls(
            document.get("base_rates", {}),
            document.get("slow_us", {}),
            document.get("requests_per_second", 0.0),
            document.get("affected_at_most", 0),
        )

    def document(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "base_rates": dict(self.base_rates),
            "slow_us": dict(self.slow_us),
            "requests_per_second": self.requests_per_second,
            "affected_at_most": self.affected_at_most,
        }


def check_guards(plan: RolloutPlan) -> None:
    """Whether something counts what the guards watch.

    Raises:
        InvalidArgument: a guard that nothing counts.
    """
    for guard in plan.guards:
        if guard.watch is Watch.EVENTS and guard.name not in COUNTED:
            raise InvalidArgument(
                f"nothing counts what guard {guard.name} watches", hint=f"known: {', '.join(sorted(COUNTED))}, accuracy"
            )


def measured(plan: RolloutPlan, outcomes: Mapping[str, Any] | None, now: float) -> bool:
    """Whether the old version was watched for long enough: enough answers, or time, or no hope of enough answers."""
    if outcomes is None:
        return False
    answered, seconds = _answered(outcomes), _seconds(outcomes, now)
    if answered >= WANTED or seconds >= plan.measure_seconds:
        return True
    if seconds < _SOON_SECONDS:
        return False
    least = WANTED / 2 if _timed(plan) else 1
    return answered >= _enough(plan) or answered * plan.measure_seconds / seconds < least


def progress(plan: RolloutPlan, outcomes: Mapping[str, Any] | None) -> str:
    """How far the measuring has come."""
    return "" if outcomes is None else f"{_answered(outcomes)} of {_enough(plan)} answers are measured"


def _enough(plan: RolloutPlan) -> int:
    """A guard with a ratio alone is refused where nothing fails, so that it must be known whether anything does."""
    events = [guard for guard in plan.guards if guard.watch is Watch.EVENTS]
    return WANTED if _timed(plan) or any(guard.safe_points is None for guard in events) else FEW


def prepare(
    plan: RolloutPlan, outcomes: Mapping[str, Any], now: float, look_seconds: float, *, proof: bool = True
) -> tuple[RolloutPlan, Baseline]:
    """The plan with the steps that its budget allows, and the baseline, from what was counted before the ramp.

    Without ``proof`` nothing is asked of the traffic but that there is some.

    Raises:
        FailedPrecondition, InvalidArgument: the traffic does not allow what is planned; the hint says what would work.
    """
    answered, seconds = _answered(outcomes), max(_seconds(outcomes, now), 1e-3)
    errors = sum(arm["bad_answers"].get("errors", 0) for arm in outcomes["arms"])
    rates = {"errors": errors / answered if answered else 0.0}
    slow = {name: _quantile(outcomes, name) for name in _timed(plan)}
    rates |= {name: LATENCIES[name] for name in slow}
    traffic = Traffic(answered / seconds, look_seconds, rates, _units_per_request(outcomes))
    planned = with_steps(plan, traffic)
    if proof or not answered:
        check_traffic(planned, traffic)
    if slow and answered < WANTED:
        minutes = math.ceil(1.5 * WANTED * seconds / answered / 60)
        raise FailedPrecondition(
            f"the model answered {answered} requests in {seconds:.0f} s, and it takes {WANTED} to say what guard "
            f"{next(iter(slow))} calls slow",
            hint=f'measure = "{minutes}m" waits for them; --guard errors alone needs none',
        )
    known = {name: us for name, us in slow.items() if us is not None}
    affected = affected_at_most(planned, traffic)
    rates |= {"errors": errors / max(answered, WANTED)}
    return replace(planned, at_most_affected=None), Baseline(rates, known, traffic.requests_per_second, affected)


def _timed(plan: RolloutPlan) -> list[str]:
    return [guard.name for guard in plan.guards if guard.name in LATENCIES]


def _units_per_request(outcomes: Mapping[str, Any]) -> float:
    """How many of the requests are the first one of their unit, found where units are counted apart."""
    arms = [arm for arm in outcomes["arms"] if arm["arm"] == MEASURED and arm["answered"] >= WANTED // 10]
    found = [min(arm["units"] / arm["answered"], 1.0) for arm in arms]
    return found[0] if found and found[0] > 0 else 1.0


def _answered(outcomes: Mapping[str, Any]) -> int:
    return sum(int(arm["answered"]) for arm in outcomes["arms"])


def _seconds(outcomes: Mapping[str, Any], now: float) -> float:
    return now - float(outcomes["began_unix_ms"]) / 1000


def _quantile(outcomes: Mapping[str, Any], name: str) -> int | None:
    """The time in microseconds, on average over the answers of all arms, which are one version's; None without any."""
    arms = [(int(arm["answered"]), arm["latency"]["quantiles_us"].get(name)) for arm in outcomes["arms"]]
    timed = [(answered, float(value)) for answered, value in arms if answered and value is not None]
    if not timed:
        return None
    value = sum(answered * one for answered, one in timed) / sum(answered for answered, _ in timed)
    # Not below a microsecond: an answer that took as long as the clock can tell is not slow.
    return max(round(value), 1)
