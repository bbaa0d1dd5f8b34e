"""What the old version does before the ramp: how much traffic there is, how often it fails, what slow means.

Fixed before anything is compared. The tests of the guards hold whatever the times for "slow" are, since both arms are
held to the same; a time that is roughly the quantile it is named for is all that is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.rollout.budget import Traffic, affected_at_most, check_traffic, with_steps
from taxiway.rollout.plan import RolloutPlan, Watch

__all__ = ["LATENCIES", "Baseline", "check_guards", "measured", "prepare"]

LATENCIES: Mapping[str, float] = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01, "p999": 0.001}
"""Guards that call an answer slow: the quantile's name, and how many of the old version's answers are slower."""
COUNTED = frozenset({"errors", *LATENCIES})


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
    """Whether the old version was watched for long enough: enough answers, or enough time."""
    if outcomes is None:
        return False
    return _answered(outcomes) >= plan.step_units or _seconds(outcomes, now) >= plan.measure_seconds


def prepare(
    plan: RolloutPlan, outcomes: Mapping[str, Any], now: float, look_seconds: float, *, proof: bool = True
) -> tuple[RolloutPlan, Baseline]:
    """The plan with the steps that its budget allows, and the baseline, from what was counted before the ramp.

    Without ``proof`` nothing is asked of the traffic but that there is some.

    Raises:
        FailedPrecondition, InvalidArgument: the traffic does not allow what is planned; the hint says what would work.
    """
    answered, seconds = _answered(outcomes), max(_seconds(outcomes, now), 1e-3)
    errors = sum(arm["bad"].get("errors", 0) for arm in outcomes["arms"])
    rates = {"errors": errors / answered if answered else 0.0}
    slow = {guard.name: _quantile(outcomes, guard.name) for guard in plan.guards if guard.name in LATENCIES}
    rates |= {name: LATENCIES[name] for name in slow}
    traffic = Traffic(answered / seconds, look_seconds, rates)
    planned = with_steps(plan, traffic)
    if proof or not answered:
        check_traffic(planned, traffic)
    missing = [name for name, us in slow.items() if us is None]
    if missing:
        raise FailedPrecondition(f"no answer was timed, so guard {missing[0]} cannot say what is slow")
    known = {name: us for name, us in slow.items() if us is not None}
    affected = affected_at_most(planned, traffic)
    return replace(planned, at_most_affected=None), Baseline(rates, known, traffic.requests_per_second, affected)


def _answered(outcomes: Mapping[str, Any]) -> int:
    return sum(int(arm["answered"]) for arm in outcomes["arms"])


def _seconds(outcomes: Mapping[str, Any], now: float) -> float:
    return now - float(outcomes["began_unix_ms"]) / 1000


def _quantile(outcomes: Mapping[str, Any], name: str) -> int | None:
    """The time in microseconds of the arm with the most answers; None without an answer."""
    arms = sorted(outcomes["arms"], key=lambda arm: int(arm["answered"]), reverse=True)
    value = arms[0]["latency"]["quantiles_us"].get(name) if arms else None
    # Not below a microsecond: an answer that took as long as the clock can tell is not slow.
    return None if value is None else max(round(value), 1)
