"""From what was observed to what it means: pure, so that every verdict can be worked out again from its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from taxiway.rollout.evidence.brake import brake
from taxiway.rollout.evidence.evalue import EValue
from taxiway.rollout.evidence.harm import BadEvents, harm, no_harm, no_harm_below, relative_risk
from taxiway.rollout.evidence.means import Arm, mean_difference, mean_evidence
from taxiway.rollout.evidence.paired import Paired, difference, not_worse, paired_harm
from taxiway.rollout.evidence.projection import growth
from taxiway.rollout.evidence.ratio import ALPHA as UNEVEN_ALPHA
from taxiway.rollout.evidence.ratio import sample_ratio
from taxiway.rollout.observations import Observations
from taxiway.rollout.plan import Goal, Guard, RolloutPlan, Watch
from taxiway.rollout.verdict import SUSPICION, Finding, GoalFinding, GoalVerdict, Judgement, Verdict

__all__ = ["judge"]

# Evidence as a function of how many times as much was seen, in the same proportions; at 1 it is what there is.
_Evidence = Callable[[float], EValue]


def judge(plan: RolloutPlan, seen: Observations) -> Judgement:
    """What the observations say about the plan's guards and goal."""
    verdicts = tuple(
        _paired_verdict(plan, guard, seen) if guard.watch is Watch.PAIRED else _events_verdict(plan, guard, seen)
        for guard in plan.guards
    )
    return Judgement(
        verdicts=verdicts,
        braked=brake(seen.recent),
        split_uneven=sample_ratio(seen.assigned).reaches(UNEVEN_ALPHA),
        labels_uneven=sample_ratio(seen.labelled).reaches(UNEVEN_ALPHA),
        goal=None if plan.goal is None else _goal_verdict(plan, plan.goal, seen.goal),
        step_units=min(seen.step_units),
    )


def _events_verdict(plan: RolloutPlan, guard: Guard, seen: Observations) -> Verdict:
    events = [
        BadEvents(each.canary.bad.get(guard.name, 0), each.control.bad.get(guard.name, 0), each.share)
        for each in seen.exposures
    ]
    answered = sum(each.canary.answered for each in seen.exposures)
    total = answered + sum(each.control.answered for each in seen.exposures)
    ceiling = None if guard.safe_points is None else seen.base_rates.get(guard.name, 0.0) + guard.safe_points

    def harmful(times: float) -> EValue:
        return harm(_grown(events, times), guard.harm_margin)

    def safe(times: float) -> EValue:
        grown = _grown(events, times)
        bets = [] if guard.safe_ratio is None else [no_harm(grown, guard.safe_ratio)]
        if ceiling is not None and ceiling < 1:
            bets.append(no_harm_below(sum(each.canary for each in grown), answered * times, ceiling))
        return _average(bets)

    bounds = relative_risk(events, plan.safe_alpha)
    return Verdict(
        guard=guard,
        finding=_finding(plan, harmful(1), safe(1)),
        estimate=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        log_e_harm=harmful(1).log_e,
        log_e_safe=safe(1).log_e,
        requests_to_decide=_still_needed(plan, harmful, safe, total),
    )


def _paired_verdict(plan: RolloutPlan, guard: Guard, seen: Observations) -> Verdict:
    counts = seen.paired.get(guard.name, Paired())
    points = guard.safe_points
    assert points is not None  # the plan refuses a paired guard without

    def harmful(times: float) -> EValue:
        return paired_harm(_times(counts, times), guard.harm_margin)

    def safe(times: float) -> EValue:
        return not_worse(_times(counts, times), points)

    bounds = difference(counts, plan.safe_alpha)
    return Verdict(
        guard=guard,
        finding=_finding(plan, harmful(1), safe(1)),
        estimate=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        log_e_harm=harmful(1).log_e,
        log_e_safe=safe(1).log_e,
        requests_to_decide=_still_needed(plan, harmful, safe, counts.total),
    )


def _goal_verdict(plan: RolloutPlan, goal: Goal, arms: tuple[Arm, Arm] | None) -> GoalVerdict:
    if arms is None:
        return GoalVerdict(GoalFinding.OPEN, 0.0, -math.inf, math.inf, 1.0, None)
    canary, control = arms
    bounds = mean_difference(canary, control, plan.safe_alpha, goal.expected)
    finding = GoalFinding.OPEN
    if bounds.excludes(0):
        finding = GoalFinding.BETTER if (bounds.estimate > 0) == goal.higher_is_better else GoalFinding.WORSE

    def evidence(times: float) -> EValue:
        grown = [replace(arm, count=round(arm.count * times)) for arm in arms]
        return mean_evidence(grown[0], grown[1], plan.safe_alpha, goal.expected)

    return GoalVerdict(
        finding=finding,
        estimate=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        p=evidence(1).p,
        observations_to_decide=_until(evidence, plan.safe_alpha, canary.count + control.count),
    )


def _finding(plan: RolloutPlan, harmful: EValue, safe: EValue) -> Finding:
    if harmful.reaches(plan.guard_alpha):
        return Finding.HARM
    if harmful.reaches(1 / SUSPICION):
        return Finding.SUSPICION
    return Finding.SAFE if safe.reaches(plan.safe_alpha) else Finding.OPEN


def _still_needed(plan: RolloutPlan, harmful: _Evidence, safe: _Evidence, total: float) -> int | None:
    """How many more requests until either side is decided."""
    if harmful(1).reaches(plan.guard_alpha) or safe(1).reaches(plan.safe_alpha):
        return 0
    needs = [_until(harmful, plan.guard_alpha, total), _until(safe, plan.safe_alpha, total)]
    return min((need for need in needs if need is not None), default=None)


def _until(evidence: _Evidence, alpha: float, total: float) -> int | None:
    """How many more than ``total`` until the evidence rejects at ``alpha``; None when it never will."""
    factor = growth(lambda times: evidence(times).log_e, alpha) if total else None
    return None if factor is None else math.ceil((factor - 1) * total)


def _grown(events: list[BadEvents], times: float) -> list[BadEvents]:
    return [BadEvents(each.canary * times, each.control * times, each.share) for each in events]


def _times(counts: Paired, times: float) -> Paired:
    return Paired(counts.better * times, counts.worse * times, counts.same * times)


def _average(bets: list[EValue]) -> EValue:
    """The average of several bets against the same claim: a bet against it as well, whatever they have in common."""
    if not bets:
        return EValue(0.0)
    return EValue(float(np.logaddexp.reduce([bet.log_e for bet in bets])) - math.log(len(bets)))
