"""Experiments: several versions at once, each an arm beside one control, until a goal tells which one is better.

Guards watch each arm by itself; an arm that does harm is dropped and the others go on. All arms together stay within
the chances of error that the plan gives: each gets its part of them (Bonferroni).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.rollout.counts import SPLIT, Seen, goal_of, split_of, tally_of, units_of
from taxiway.rollout.decide import Action, Move, Progress, Rule, Stay
from taxiway.rollout.document import plan_document
from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.judge import judge
from taxiway.rollout.observations import Exposure, Observations
from taxiway.rollout.parse import parse_plan
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.routing import CANARY, CONTROL, MEASURED, STABLE, Variant
from taxiway.rollout.states import Change, State
from taxiway.rollout.verdict import Finding, GoalFinding, Judgement

__all__ = ["Experiment", "decide_arms", "experiment_document", "judge_arms", "parse_experiment"]

# The name stands in a header.
_ARM = re.compile(r"([A-Za-z][\w-]{0,63})=(\d+):(\d+(?:\.\d+)?)%?(?:@(\d+))?", re.ASCII)
# The data plane counts 64 arms; the control, the rest, and the rest on the version that is promoted are three of them.
_MOST_ARMS = 61
_WHOLE_PPM = 1_000_000
_NAMES = (CANARY, CONTROL, MEASURED, STABLE)


@dataclass(frozen=True)
class Experiment:
    """What is common to all arms, the arms, and whether the better one is promoted without asking anybody.

    The control's share is that of the largest arm, ``control``; it begins behind them all, at ``control_begin_ppm``.
    """

    plan: RolloutPlan
    arms: tuple[Variant, ...]
    control: Variant
    by_itself: bool = False


def parse_experiment(values: Mapping[str, object], where: str) -> Experiment:
    """The experiment that ``values`` say: the keys of a plan without ``to`` and ``steps``, ``arms``, ``promote``.

    Raises:
        InvalidArgument: no goal, arms over 100 % together with their control, or what a plan is refused for.
    """
    given = {key: value for key, value in values.items() if key not in ("arms", "promote", "control", "to", "steps")}
    arms = _arms(values["arms"], where)
    control = _control(values.get("control"), arms)
    total = sum(arm.share for arm in arms) + control.share
    if total > 1 + 1e-9:
        shown = ", ".join(f"{arm.name} {100 * arm.share:g} %" for arm in arms)
        raise InvalidArgument(
            f"the arms {shown} and a control of {100 * control.share:g} % are {100 * total:g} %, over 100 %",
            hint="the control is as large as the largest arm; take smaller ones",
        )
    _check_places([*arms, control], where)
    plan = parse_plan({"shadow": 0, **given, "to": arms[0].version, "steps": [50]}, where)
    if plan.goal is None:
        raise InvalidArgument("an experiment has no goal, so nothing would ever decide it", hint='goal = "revenue"')
    if plan.shadow:
        raise InvalidArgument("an experiment has no shadow", hint="shadow each version in a rollout of its own")
    if plan.replay is not None:
        raise InvalidArgument("an experiment has no replay", hint="taxiway replay asks each version beforehand")
    promote = values.get("promote", "by hand")
    if promote not in ("by hand", "by itself"):
        raise InvalidArgument(f"promote = {promote!r} in {where}", hint='"by hand" or "by itself"')
    return Experiment(plan, arms, control, promote == "by itself")


def _arms(value: object, where: str) -> tuple[Variant, ...]:
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise InvalidArgument(f"arms = {value!r} in {where}", hint="such as b=3:20,c=4:20 (NAME=VERSION:PERCENT)")
    arms: list[Variant] = []
    begin = 0
    for text in texts:
        match = _ARM.fullmatch(str(text).strip())
        if match is None or match[1] in _NAMES or not 1e-4 <= float(match[3]) <= 100:
            raise InvalidArgument(
                f"an arm {text!r} in {where}",
                hint="NAME=VERSION:PERCENT, such as b=3:20; a name has up to 64 of a-z, A-Z, 0-9, - and _",
            )
        begin = begin if match[4] is None else int(match[4])
        arms.append(Variant(match[1], int(match[2]), _share(match[3]), begin))
        begin += arms[-1].share_ppm
    if len(arms) > _MOST_ARMS:
        raise InvalidArgument(f"{len(arms)} arms in {where}", hint=f"{_MOST_ARMS} at most")
    if len({arm.name for arm in arms}) < len(arms) or len({arm.version for arm in arms}) < len(arms):
        raise InvalidArgument(f"two arms are alike in {where}", hint="each has a name and a version of its own")
    return tuple(arms)


def _check_places(arms: Sequence[Variant], where: str) -> None:
    """No unit belongs to two arms, and each arm lies within the whole."""
    lying = sorted(arms, key=lambda arm: arm.begin_ppm)
    for before, after in itertools.pairwise(lying):
        if before.begin_ppm + before.share_ppm > after.begin_ppm:
            raise InvalidArgument(
                f"the arms {before.name} and {after.name} in {where} overlap from {_percent(after.begin_ppm)} % on",
                hint="leave out where they begin (@), and they lie one behind the other",
            )
    if (end := lying[-1].begin_ppm + lying[-1].share_ppm) > _WHOLE_PPM:
        raise InvalidArgument(
            f"the arm {lying[-1].name} in {where} ends at {_percent(end)} %, over 100 %",
            hint="leave out where the arms begin (@), or take smaller ones",
        )


def _share(percent: str) -> float:
    """A share in whole millionths, so that what is kept of it is the same again."""
    return round(float(percent) * 10_000) / _WHOLE_PPM


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.8g}"


def _control(value: object, arms: Sequence[Variant]) -> Variant:
    """The control: as it was kept, or as large as the largest arm and behind them all."""
    if isinstance(value, str) and (match := _ARM.fullmatch(value)) and match[4] is not None:
        return Variant(CONTROL, int(match[2]), _share(match[3]), int(match[4]))
    end = max(arm.begin_ppm + arm.share_ppm for arm in arms)
    return Variant(CONTROL, 0, max(arm.share for arm in arms), end)


def experiment_document(experiment: Experiment) -> dict[str, Any]:
    """The experiment for the journal; :func:`parse_experiment` reads it."""
    document = plan_document(experiment.plan)
    del document["to"], document["steps"]
    promote = "by itself" if experiment.by_itself else "by hand"
    arms = [_text(arm) for arm in experiment.arms]
    return {**document, "arms": arms, "control": _text(experiment.control), "promote": promote}


def _text(arm: Variant) -> str:
    return f"{arm.name}={arm.version}:{_percent(arm.share_ppm)}@{arm.begin_ppm}"


def judge_arms(
    experiment: Experiment,
    seen: Seen,
    base_rates: Mapping[str, float],
    outcomes: Mapping[str, Any] | None,
    *,
    brief: bool = False,
) -> dict[str, Judgement]:
    """What is found of each arm against the control; whether the split is uneven is found of all together."""
    count, plan = len(experiment.arms), experiment.plan
    part = replace(plan, harm_alpha=plan.harm_alpha / count, safe_alpha=plan.safe_alpha / count)
    control = tally_of(seen, CONTROL)
    names = [*(_counted(arm) for arm in experiment.arms), CONTROL]
    assigned, served, labelled = (split_of(seen, names, what) for what in SPLIT)
    found = {}
    for arm, name in zip(experiment.arms, names, strict=False):
        goals = goal_of(seen, name), goal_of(seen, CONTROL)
        observed = Observations(
            exposures=(Exposure(tally_of(seen, name), control, arm.share / (arm.share + experiment.control.share)),),
            step_units=(units_of(seen, name), units_of(seen, CONTROL)),
            recent=_recent(arm, outcomes),
            assigned=assigned,
            served=served,
            labelled=labelled,
            split_before=seen.split_before,
            goal=None if goals[0] is None or goals[1] is None else (goals[0], goals[1]),
            base_rates=base_rates,
        )
        found[arm.name] = judge(part, observed, brief=brief)
    return found


def _counted(arm: Variant) -> str:
    return f"{arm.name}:{arm.version}"


def _recent(arm: Variant, outcomes: Mapping[str, Any] | None) -> Recent:
    for each in outcomes["arms"] if outcomes is not None else ():
        if (each["arm"], each["version"]) == (arm.name, arm.version):
            return Recent(**each["recent"])
    return Recent()


def decide_arms(experiment: Experiment, progress: Progress, judged: Mapping[str, Judgement], now: float) -> Action:
    """The next action of an experiment under way. As for a rollout, going back comes before everything else."""
    for name, judgement in judged.items():
        guilty = [verdict.guard.name for verdict in judgement.verdicts if verdict.finding is Finding.HARM]
        if judgement.braked or guilty:
            rule = Rule.BRAKE if judgement.braked else Rule.HARM
            change = Change.DROP if len(judged) > 1 else Change.ROLL_BACK
            return Move(change, rule, f"{name}: {'; '.join(guilty)}".rstrip(": "), arm=name)
    if progress.state is State.PAUSED:
        return Stay(Rule.PAUSED)
    if any(judgement.split_uneven for judgement in judged.values()):
        return Move(Change.PAUSE, Rule.SPLIT_UNEVEN)
    if any(judgement.labels_uneven for judgement in judged.values()):
        return Move(Change.PAUSE, Rule.LABELS_UNEVEN)
    return _decided(experiment, progress, judged, now)


def _decided(experiment: Experiment, progress: Progress, judged: Mapping[str, Judgement], now: float) -> Action:
    plan, sign = experiment.plan, 1.0 if experiment.plan.goal is None or experiment.plan.goal.higher_is_better else -1.0
    if now - progress.entered_at < plan.step_seconds or min(j.step_units for j in judged.values()) < plan.step_units:
        return Stay(Rule.MINIMUM)
    better = {
        name: sign * judgement.goal.estimate
        for name, judgement in judged.items()
        if judgement.goal is not None and judgement.goal.finding is GoalFinding.BETTER
        if not any(verdict.finding is Finding.SUSPICION for verdict in judgement.verdicts)
    }
    if better:
        best = max(better, key=lambda name: better[name])
        if experiment.by_itself:
            return Move(Change.PROMOTE, Rule.GOAL_BETTER, f"{best} is better", arm=best)
        return Stay(Rule.GOAL_BETTER, f"{best} is better; promote it, or abort", call_somebody=True)
    if all(j.goal is not None and j.goal.finding is GoalFinding.WORSE for j in judged.values()):
        return Move(Change.ROLL_BACK, Rule.GOAL_WORSE)
    if now - progress.started_at > plan.max_seconds:
        return Stay(Rule.TIME_OVER, "promote an arm, or abort; it stays as it is", call_somebody=True)
    return Stay(Rule.UNPROVEN, f"{plan.goal.name if plan.goal else 'the goal'} decides")
