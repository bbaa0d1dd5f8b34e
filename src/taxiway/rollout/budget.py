"""Whether a plan can work on the traffic there is, and the steps that keep harm within a budget.

The budget. Where the old version hardly ever fails, a guard convicts the new one at a fixed number D of bad answers,
however they are spread over the steps, since errors count from the first request on. What comes on top is what goes
wrong between two looks: at most rate of bad answers × share × requests a second × seconds between looks. At the first
step that rate may be 1. At each later one it is at most what the steps before would not have noticed. So

    first share = (budget − D) / (requests in a look),   at most a tenth, since guards do not see everything
    next share  = (budget − D) / (requests in a look × largest unnoticed rate),   at most five times the one before

Where the old version does fail, a slight worsening takes longer to see and may exceed the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scipy import special

from taxiway.errors import FailedPrecondition
from taxiway.rollout.evidence.projection import answers_below_ceiling, events_to_clear, events_to_convict
from taxiway.rollout.plan import LARGEST_SHARE, Guard, RolloutPlan, Watch
from taxiway.rollout.verdict import SUSPICION

__all__ = ["Traffic", "affected_at_most", "check_traffic", "duration_seconds", "requests_to_clear", "with_steps"]

_LARGEST_FIRST_SHARE = 0.1
_LARGEST_GROWTH = 5.0
_UNNOTICED = 0.05


@dataclass(frozen=True)
class Traffic:
    """What the model gets: requests a second, seconds between two looks, and the old version's rates by guard.

    A request is the first one of its unit with a chance of ``units_per_request``, as far as was measured; in a longer
    time more come back.
    """

    requests_per_second: float
    look_seconds: float = 1.0
    base_rates: Mapping[str, float] = field(default_factory=dict)
    units_per_request: float = 1.0


def with_steps(plan: RolloutPlan, traffic: Traffic) -> RolloutPlan:
    """The plan with the steps that its budget of affected requests allows; unchanged when it has none.

    Raises:
        FailedPrecondition: the budget is less than what it takes to tell a bad version.
        InvalidArgument: the steps take longer than the plan may.
    """
    if plan.at_most_affected is None:
        return plan
    spare = plan.at_most_affected - _convicts(plan)
    if spare < 1:
        raise FailedPrecondition(
            f"a budget of {plan.at_most_affected} affected requests is less than it takes to tell a bad version from "
            f"bad luck with {len(plan.guards)} guards",
            hint=f"allow {plan.at_most_affected + 1 - spare} or more, or compare the versions in shadow first",
        )
    per_look = max(traffic.requests_per_second * traffic.look_seconds, 1e-9)
    shares = [_rounded(min(spare / per_look, _LARGEST_FIRST_SHARE))]
    while shares[-1] < LARGEST_SHARE:
        unnoticed = _unnoticed_rate(plan, shares[-1], traffic)
        share = min(spare / (per_look * unnoticed), _LARGEST_GROWTH * shares[-1], LARGEST_SHARE)
        if _rounded(share) <= shares[-1]:
            raise FailedPrecondition(
                f"with {plan.at_most_affected} affected requests at most, the canary cannot grow beyond "
                f"{100 * shares[-1]:g} %: {plan.step_seconds:g} s there tell too little",
                hint="a larger budget, longer steps, or shorter looks",
            )
        shares.append(_rounded(share))
    return replace(plan, steps=tuple(shares))


def affected_at_most(plan: RolloutPlan, traffic: Traffic) -> int:
    """The most requests that a new version may answer badly before it is put back, for an old one that never does."""
    per_look = traffic.requests_per_second * traffic.look_seconds
    rates = [1.0, *(_unnoticed_rate(plan, share, traffic) for share in plan.steps[:-1])]
    worst = max(rate * share * per_look for rate, share in zip(rates, plan.steps, strict=True))
    return _convicts(plan) + math.ceil(worst)


def _convicts(plan: RolloutPlan) -> int:
    """At how many bad answers of the canary, and none of the control's, the most lenient guard convicts."""
    margins = [guard.harm_margin for guard in plan.guards if guard.watch is Watch.EVENTS]
    return events_to_convict(plan.guard_alpha, max(margins, default=0.0))


def requests_to_clear(guard: Guard, plan: RolloutPlan, base_rate: float) -> int | None:
    """How many requests of both arms prove the guard's margin when the versions are equal; None when none do.

    A guard with a ratio and points is proven by the average of two bets, so each needs twice the wealth.
    """
    alpha = plan.safe_alpha
    if guard.safe_ratio is not None and guard.safe_points is not None:
        alpha /= 2
    needs = []
    if guard.safe_ratio is not None and base_rate > 0:
        events = events_to_clear(guard.safe_ratio, alpha)
        needs += [] if events is None else [math.ceil(events / base_rate)]
    if guard.safe_points is not None:
        answers = answers_below_ceiling(base_rate, base_rate + guard.safe_points, alpha)
        needs += [] if answers is None else [2 * answers]
    return min(needs, default=None)


def duration_seconds(plan: RolloutPlan, traffic: Traffic) -> float:
    """How long a rollout of an equal version takes, to the promotion; infinite when its proof never comes."""
    steps = [_step_seconds(plan, share, traffic) for share in plan.steps]
    shadow = _step_seconds(plan, plan.shadow, traffic) if plan.shadow else 0.0
    rates = [2 * share * traffic.requests_per_second for share in plan.steps]
    seen = sum(seconds * rate for seconds, rate in zip(steps, rates, strict=True))
    # Paired guards collect their evidence in shadow, on a scale of their own.
    needs = [
        requests_to_clear(guard, plan, traffic.base_rates.get(guard.name, 0.0))
        for guard in plan.guards
        if guard.watch is Watch.EVENTS
    ]
    longest = max((math.inf if need is None else need for need in needs), default=0)
    extra = max(longest - seen, 0)
    return shadow + sum(steps) + (extra / rates[-1] if extra else 0.0)


def check_traffic(plan: RolloutPlan, traffic: Traffic) -> None:
    """Whether the plan can come to a promotion at all.

    Raises:
        FailedPrecondition: not on this traffic, in this time; the hint says what would work.
    """
    if traffic.requests_per_second <= 0:
        raise FailedPrecondition(
            f"model {plan.model} gets no requests, so nothing can be learned about version {plan.to}",
            hint="send traffic first, or promote without a rollout",
        )
    for guard in plan.guards:
        rate = traffic.base_rates.get(guard.name, 0.0)
        if guard.watch is Watch.EVENTS and requests_to_clear(guard, plan, rate) is None:
            raise FailedPrecondition(
                f"guard {guard.name} has only a ratio, and the old version has none of its events to compare with",
                hint=f"add points, which need no event: {guard.name}=x{guard.safe_ratio or 2:g},0.5pt",
            )
    needed = duration_seconds(plan, traffic)
    if needed > plan.max_seconds:
        raise FailedPrecondition(
            f"at {traffic.requests_per_second:g} requests a second this plan takes about {_hours(needed)}, "
            f"and it may take {_hours(plan.max_seconds)}",
            hint=f"allow {math.ceil(needed / 60)}m, or wider margins ({_slowest(plan, traffic)} takes longest), or "
            "larger steps",
        )


def _slowest(plan: RolloutPlan, traffic: Traffic) -> str:
    events = [guard for guard in plan.guards if guard.watch is Watch.EVENTS] or list(plan.guards)
    return max(events, key=lambda g: requests_to_clear(g, plan, traffic.base_rates.get(g.name, 0.0)) or math.inf).name


def _step_seconds(plan: RolloutPlan, share: float, traffic: Traffic) -> float:
    """How long a step lasts: its minimum of time, or until its units have come."""
    rate = share * traffic.requests_per_second * traffic.units_per_request
    return max(plan.step_seconds, plan.step_units / rate if rate else math.inf)


def _unnoticed_rate(plan: RolloutPlan, share: float, traffic: Traffic) -> float:
    """The largest rate of bad answers that a step leaves unsuspected with a chance of 5 % (Clopper and Pearson)."""
    answered = max(plan.step_units, share * traffic.requests_per_second * plan.step_seconds)
    bad = min(events_to_convict(1 / SUSPICION) - 1, answered)
    return float(special.betaincinv(bad + 1, max(answered - bad, 1e-9), 1 - _UNNOTICED))


def _rounded(share: float) -> float:
    """Down to two digits, as a person would write it."""
    scale = 10.0 ** (1 - math.floor(math.log10(share)))
    return math.floor(share * scale + 1e-9) / scale


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
