"""What a rollout found, as documents: for the journal, the admin API, and people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taxiway.rollout.counts import Seen, tally_of
from taxiway.rollout.decide import Action, Move, Rule
from taxiway.rollout.plan import Watch
from taxiway.rollout.routing import CANARY, CONTROL, STABLE
from taxiway.rollout.states import State
from taxiway.rollout.verdict import GoalVerdict, Judgement, Verdict

if TYPE_CHECKING:
    from taxiway.journal import Rollout
    from taxiway.rollout.arms import Experiment
    from taxiway.rollout.steer import Sight, View

__all__ = ["judgement_document", "report"]

_COMPARED = ("compared", "rows", "differing_rows", "ranked_rows", "top1_flips", "unlike", "largest_difference")
_SHARED_OUT = frozenset({State.CANARY, State.PAUSED})


def judgement_document(judgement: Judgement) -> dict[str, Any]:
    """A judgement as JSON; a bound that is not known is null."""
    return {
        "guards": [_guard(verdict) for verdict in judgement.verdicts],
        "goal": None if judgement.goal is None else _goal(judgement.goal),
        "braked": judgement.braked,
        "split_uneven": judgement.split_uneven,
        "labels_uneven": judgement.labels_uneven,
        "step_units": judgement.step_units,
    }


def report(now: View, action: Action | None, sight: Sight) -> dict[str, Any]:
    """A rollout as it stands.

    Args:
        now: its record, and what is seen now.
        action: what would be done at this look; None when it is over.
        sight: the world.
    """
    record, plan = now.record, now.plan
    shared = now.state in _SHARED_OUT and record.step >= 0 and not record.over
    share = plan.steps[record.step] if shared else 0.0
    verdict = judgement_document(now.judgement) if now.judgement.verdicts else dict(record.verdict)
    rps = _requests_per_second(now, sight)
    compared = 2 * share * rps
    return {
        "model": plan.model,
        "rollout": record.id,
        "from": record.source,
        "to": record.target,
        "state": record.state,
        "over": record.over,
        "step": record.step + 1,
        "steps": [_percent(each) for each in plan.steps],
        "who": record.who,
        "leader": record.leader,
        "started_at": record.started_at,
        "entered_at": record.entered_at,
        "arms": _arms(now.seen, record.source, record.target, share, sight.default)
        if now.experiment is None
        else _tried(now.seen, now.experiment, sides=(record.source, sight.default), shared=shared),
        "guards": [_with_time(guard, compared) for guard in _guards(now, verdict)],
        "shadow": _shadow(sight.outcomes, record),
        "goal": verdict.get("goal"),
        "goal_name": plan.goal.name if plan.goal is not None else None,
        "goals": {name: _goal(each.goal) for name, each in now.arms.items() if each.goal is not None},
        "replay": record.baseline.get("replay", sight.replay),
        "split_uneven": verdict.get("split_uneven", False),
        "labels_uneven": verdict.get("labels_uneven", False),
        "requests_per_second": round(rps, 3),
        "affected_at_most": now.baseline.affected_at_most,
        "crashes": record.crashes,
        "max_crashes": plan.max_crashes,
        "rule": record.rule,
        "text": Rule[record.rule].value if record.rule in Rule.__members__ else "",
        "because": record.because,
        "next": None if action is None else _next(action),
        "notes": [] if record.over else _notes(now, sight),
    }


def _notes(now: View, sight: Sight) -> list[str]:
    """What keeps the rollout from coming to an end, as far as it shows: nobody says whether answers were right."""
    arms = sight.outcomes["arms"] if sight.outcomes is not None else ()
    heard = any(arm.get("judged") or arm.get("goal", {}).get("count") for arm in arms)
    kept = any(
        count for name, count in now.seen.total.items() if name.startswith("paired.") or name.endswith("goal.count")
    )
    plan = now.plan
    waiting = [f"guard {guard.name}" for guard in plan.guards if guard.watch is Watch.PAIRED]
    waiting += [] if plan.goal is None else [f"the goal {plan.goal.name}"]
    if heard or kept or not waiting:
        return []
    how = "value=…" if plan.goal is not None else "label=…"
    return [
        f"no feedback has come yet, which {' and '.join(waiting)} cannot do without: "
        f"client.feedback(model, request_id, {how}), or taxiway feedback {plan.model}"
    ]


def _shadow(outcomes: Mapping[str, Any] | None, record: Rollout) -> dict[str, Any] | None:
    """How much the copies' answers differ from the users', since this process began; None without a shadow."""
    if outcomes is None or outcomes["experiment"] != record.id:
        return None
    found = [each for each in outcomes.get("shadows", []) if each["version"] == record.target]
    return {what: found[0].get(what) for what in _COMPARED} if found else None


def _guards(now: View, verdict: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The guards; of an experiment each once an arm, as ``ARM NAME``."""
    if not now.arms:
        return list(verdict.get("guards", []))
    found = {name: judgement_document(judgement)["guards"] for name, judgement in now.arms.items()}
    return [{**guard, "name": f"{name} {guard['name']}"} for name, guards in found.items() for guard in guards]


def _tried(seen: Seen, tried: Experiment, *, sides: tuple[int, int | None], shared: bool) -> list[dict[str, Any]]:
    """The arms of an experiment, its control, and who has the rest; ``sides`` are the old version and the default."""
    (source, default), part = sides, int(shared)
    rows = [(arm.name, f"{arm.name}:{arm.version}", arm.version, part * arm.share) for arm in tried.arms]
    rows.append((CONTROL, CONTROL, source, part * tried.control.share))
    rest = round(1 - sum(share for *_, share in rows), 9)
    if default is not None and rest:
        rows.append((STABLE, f"{STABLE}:{default}", default, rest))
    return [_arm(seen, *row) for row in rows]


def _arms(seen: Seen, source: int, target: int, share: float, default: int | None) -> list[dict[str, Any]]:
    rest = 1 - 2 * share
    arms = [(CANARY, CANARY, target, share), (CONTROL, CONTROL, source, share)]
    arms += [("shadow", "shadow", target, 0.0)]
    arms += [
        (STABLE, f"{STABLE}:{version}", version, rest if version == default else 0.0) for version in (source, target)
    ]
    found = [_arm(seen, arm, name, version, part) for arm, name, version, part in arms]
    return [row for row in found if row["share"] or row["answered"]]


def _arm(seen: Seen, arm: str, counted: str, version: int, share: float) -> dict[str, Any]:
    """One arm's row; ``counted`` is what its counts begin with."""
    tally = tally_of(seen, counted)
    return {
        "arm": arm,
        "version": version,
        "share": _percent(share),
        "answered": tally.answered,
        "units": tally.units or 0,
        "bad": dict(tally.bad),
        "bad_answers": {guard: tally.all_bad(guard) for guard in tally.bad},
    }


def _with_time(guard: Mapping[str, Any], compared: float) -> dict[str, Any]:
    more = guard["requests_to_decide"]
    return {**guard, "seconds_to_decide": None if more is None or not compared else round(more / compared)}


def _next(action: Action) -> dict[str, Any]:
    move = isinstance(action, Move)
    return {
        "rule": action.rule.name,
        "text": action.rule.value,
        "because": action.because,
        "change": action.change.value if isinstance(action, Move) else None,
        "call_somebody": not move and getattr(action, "call_somebody", False),
    }


def _requests_per_second(now: View, sight: Sight) -> float:
    """Today's traffic: what the data plane counted since it began to, or what was measured before the ramp."""
    outcomes = sight.outcomes
    if outcomes is None or outcomes["experiment"] != now.record.id:
        return now.baseline.requests_per_second
    seconds = sight.now - outcomes["began_unix_ms"] / 1000
    answered = sum(arm["answered"] for arm in outcomes["arms"])
    return answered / seconds if seconds >= 1 else now.baseline.requests_per_second


def _percent(share: float) -> float:
    return round(100 * share, 4)


def _guard(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.guard.name,
        "finding": verdict.finding.value,
        "estimate": _finite(verdict.estimate),
        "low": _finite(verdict.low),
        "high": _finite(verdict.high),
        "log_e_harm": _finite(verdict.log_e_harm),
        "log_e_safe": _finite(verdict.log_e_safe),
        "requests_to_decide": verdict.requests_to_decide,
        "in_points": verdict.guard.watch is Watch.PAIRED,
    }


def _goal(verdict: GoalVerdict) -> dict[str, Any]:
    return {
        "finding": verdict.finding.value,
        "estimate": _finite(verdict.estimate),
        "low": _finite(verdict.low),
        "high": _finite(verdict.high),
        "p": verdict.p,
        "observations_to_decide": verdict.observations_to_decide,
    }


def _finite(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None
