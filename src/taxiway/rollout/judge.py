"""From what was observed to what it means: pure, so that every verdict can be worked out again from its record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from taxiway.rollout.evidence.brake import brake
from taxiway.rollout.evidence.evalue import EValue, Interval
from taxiway.rollout.evidence.harm import (
    BadEvents,
    by_share,
    log_e_ceiling,
    log_e_harm,
    log_e_no_harm,
    relative_risk,
)
from taxiway.rollout.evidence.means import Arm, log_e_differs, mean_difference, mean_evidence, standard_error
from taxiway.rollout.evidence.mixture import Floats
from taxiway.rollout.evidence.paired import Paired, difference, log_e_more_wrong, log_e_not_worse
from taxiway.rollout.evidence.projection import growth
from taxiway.rollout.evidence.ratio import uneven
from taxiway.rollout.observations import Exposure, Observations
from taxiway.rollout.plan import Goal, Guard, RolloutPlan, Watch
from taxiway.rollout.verdict import SUSPICION, Finding, GoalFinding, GoalVerdict, Judgement, Verdict

__all__ = ["judge"]

# ln E as a function of how many times as much was seen, in the same proportions; at 1 it is what there is.
_Evidence = Callable[[Floats], Floats]
_AS_SEEN = np.ones(1)


def judge(plan: RolloutPlan, seen: Observations, *, brief: bool = False) -> Judgement:
    """What the observations say about the plan's guards and goal.

    ``brief`` leaves the guards' estimates, bounds and projections out, which cost most and decide nothing.
    """
    verdicts = tuple(
        _paired_verdict(plan, guard, seen, brief)
        if guard.watch is Watch.PAIRED
        else _events_verdict(plan, guard, seen, brief)
        for guard in plan.guards
    )
    return Judgement(
        verdicts=verdicts,
        braked=brake(seen.recent),
        split_uneven=any(uneven(each, seen.split_before) for each in (seen.assigned, seen.served)),
        labels_uneven=uneven(seen.labelled, seen.split_before),
        goal=None if plan.goal is None else _goal_verdict(plan, plan.goal, seen.goal),
        step_units=min(seen.step_units),
    )


def _events_verdict(plan: RolloutPlan, guard: Guard, seen: Observations, brief: bool) -> Verdict:
    events = by_share(
        BadEvents(each.canary.bad.get(guard.name, 0), each.control.bad.get(guard.name, 0), each.share)
        for each in seen.exposures
    )
    answers = by_share(_all_answers(each, guard.name) for each in seen.exposures)
    units = sum(each.canary.exposed(guard.name) for each in seen.exposures)
    bad = sum(each.canary for each in events)
    ceiling = None if guard.safe_points is None else seen.base_rates.get(guard.name, 0.0) + guard.safe_points

    def harmful(times: Floats) -> Floats:
        return _sum(log_e_harm(e.canary * times, e.control * times, guard.harm_margin, e.share) for e in events)

    def safe(times: Floats) -> Floats:
        bets = []
        if (ratio := guard.safe_ratio) is not None:
            proofs = [
                _sum(log_e_no_harm(e.canary * times, e.control * times, ratio, e.share) for e in counted)
                for counted in (events, answers)
            ]
            bets.append(np.minimum.reduce(proofs))
        if ceiling is not None and ceiling < 1:
            bets.append(log_e_ceiling(bad * times, units * times, ceiling))
        # The average of bets against the same claim is a bet against it too, whatever they have in common.
        return np.logaddexp.reduce(bets) - math.log(len(bets)) if bets else 0 * times

    total = sum(each.canary.judged(guard.name) + each.control.judged(guard.name) for each in seen.exposures)
    bounds = None if brief else relative_risk(events, plan.safe_alpha)
    return _verdict(plan, guard, bounds, (harmful, safe), total)


def _all_answers(seen: Exposure, guard: str) -> BadEvents:
    """All bad answers, as many of them as there are units that got any.

    Units that ask often enough have all met with a slow answer sooner or later, in both arms: their first ones then
    prove nothing. All answers still do, but a unit's own are much alike and weigh no more than one. Harmlessness must
    be proven by both.
    """
    arms = (seen.canary, seen.control)
    answers, units = sum(arm.all_bad(guard) for arm in arms), sum(arm.bad.get(guard, 0) for arm in arms)
    weight = units / answers if answers else 0.0
    canary, control = (weight * arm.all_bad(guard) for arm in arms)
    return BadEvents(canary, control, seen.share)


def _paired_verdict(plan: RolloutPlan, guard: Guard, seen: Observations, brief: bool) -> Verdict:
    counts = seen.paired.get(guard.name, Paired())
    points = guard.safe_points
    assert points is not None  # the plan refuses a paired guard without

    better, worse, same = counts.better, counts.worse, counts.same

    def harmful(times: Floats) -> Floats:
        return log_e_more_wrong(better * times, worse * times, guard.harm_margin)

    def safe(times: Floats) -> Floats:
        return log_e_not_worse(better * times, worse * times, same * times, points)

    return _verdict(plan, guard, None if brief else difference(counts, plan.safe_alpha), (harmful, safe), counts.total)


def _verdict(
    plan: RolloutPlan, guard: Guard, bounds: Interval | None, evidence: tuple[_Evidence, _Evidence], total: float
) -> Verdict:
    """The guard's verdict from its evidence (of harm, of safety) and the ``total`` requests that it rests on.

    Without ``bounds``, a brief one.
    """
    of_harm, of_safety = (EValue(float(each(_AS_SEEN).sum())) for each in evidence)
    if of_harm.reaches(plan.guard_alpha):
        finding = Finding.HARM
    elif of_harm.reaches(1 / SUSPICION):
        finding = Finding.SUSPICION
    else:
        finding = Finding.SAFE if of_safety.reaches(plan.safe_alpha) else Finding.OPEN
    alphas = (plan.guard_alpha, plan.safe_alpha) if bounds is not None else ()
    needs = [_until(each, alpha, total) for each, alpha in zip(evidence, alphas, strict=False)]
    bounds = bounds or Interval(math.nan, -math.inf, math.inf)
    return Verdict(
        guard=guard,
        finding=finding,
        estimate=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        log_e_harm=of_harm.log_e,
        log_e_safe=of_safety.log_e,
        requests_to_decide=min((need for need in needs if need is not None), default=None),
    )


def _goal_verdict(plan: RolloutPlan, goal: Goal, arms: tuple[Arm, Arm] | None) -> GoalVerdict:
    if arms is None:
        return GoalVerdict(GoalFinding.OPEN, 0.0, -math.inf, math.inf, 1.0, None)
    canary, control = arms
    bounds = mean_difference(canary, control, plan.safe_alpha, goal.expected)
    finding = GoalFinding.OPEN
    if bounds.excludes(0):
        finding = GoalFinding.BETTER if (bounds.estimate > 0) == goal.higher_is_better else GoalFinding.WORSE

    error, total = standard_error(canary, control), canary.count + control.count

    def evidence(times: Floats) -> Floats:
        z = 0.0 if error is None else bounds.estimate / error
        return log_e_differs(total * times, z * np.sqrt(times), plan.safe_alpha, goal.expected)

    return GoalVerdict(
        finding=finding,
        estimate=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        p=mean_evidence(canary, control, plan.safe_alpha, goal.expected).p,
        observations_to_decide=_until(evidence, plan.safe_alpha, total),
    )


def _until(evidence: _Evidence, alpha: float, total: float) -> int | None:
    """How many more than ``total`` until the evidence rejects at ``alpha``; None when it never will."""
    factor = growth(evidence, alpha) if total else None
    return None if factor is None else math.ceil((factor - 1) * total)


def _sum(parts: Iterable[Floats]) -> Floats:
    return np.asarray(sum(parts, np.zeros(1)), np.float64)
