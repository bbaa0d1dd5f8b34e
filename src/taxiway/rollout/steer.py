"""One look at a rollout: from its record and what is seen of the world to the next event of its journal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from taxiway.errors import TaxiwayError
from taxiway.journal import Rollout
from taxiway.rollout.baseline import Baseline, measured, prepare
from taxiway.rollout.counts import Seen, anew, begin_step, look, observations
from taxiway.rollout.decide import Action, Move, Progress, Rule, Stay, decide
from taxiway.rollout.document import plan_document, read_document
from taxiway.rollout.evidence.brake import brake
from taxiway.rollout.judge import judge
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.report import judgement_document
from taxiway.rollout.routing import Sides, experiment, wish
from taxiway.rollout.states import Change, State, follow
from taxiway.rollout.verdict import Judgement

__all__ = ["LOOK_SECONDS", "Entry", "Sight", "View", "command", "sides", "steer", "view"]

LOOK_SECONDS = 1.0
"""The time between two looks."""
# A look that changes nothing is kept once a minute; one that changed a finding, so often at most.
_KEPT_SECONDS, _CHANGED_SECONDS = 60.0, 5.0
_COMPARED = frozenset({State.SHADOW, State.CANARY, State.PAUSED})
_BEGINS_STEP = frozenset({Change.TO_SHADOW, Change.TO_CANARY, Change.STEP})
_RESUMES = frozenset({Change.RESUME_SHADOW, Change.RESUME_CANARY})


@dataclass(frozen=True)
class Sight:
    """What a look sees of the world.

    ``now`` is seconds since the epoch. ``outcomes`` is the data plane's document for the model. ``default`` answers
    requests that name no version; ``loaded`` is True when the new version serves, False when it was given up, with the
    ``problem``. ``newest`` is the newest version there. ``waits`` says that new versions wait for rollouts.
    """

    now: float
    outcomes: Mapping[str, Any] | None = None
    default: int | None = None
    loaded: bool | None = None
    problem: str = ""
    newest: int = 0
    waits: bool = False


@dataclass(frozen=True)
class Entry:
    """An event to be, without who and when."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class View:
    """A record put into this package's own words, with what is seen now."""

    record: Rollout
    plan: RolloutPlan
    state: State
    baseline: Baseline
    seen: Seen
    judgement: Judgement


def sides(record: Rollout) -> Sides:
    """Its versions and names."""
    return Sides(record.id, record.salt, record.source, record.target, record.above)


def view(record: Rollout, sight: Sight, *, brief: bool = False) -> View:
    """What the record says together with what is seen now; ``brief`` as for :func:`.judge.judge`."""
    plan, state, baseline = read_document(record.plan), State(record.state), Baseline.read(record.baseline)
    seen = look(Seen.read(record.seen), sight.outcomes, experiment(record.id, state), record.target)
    judgement = Judgement((), braked=state is State.LIVE and brake(seen.recent))
    if state in _COMPARED and not record.over:
        seen_so_far = observations(seen, baseline.base_rates, shadow=record.step < 0)
        judgement = judge(plan, seen_so_far, brief=brief)
    return View(record, plan, state, baseline, seen, judgement)


def steer(record: Rollout, sight: Sight) -> Entry | None:
    """The next event of a rollout that is not over; None when there is nothing to keep."""
    if record.over:
        return None
    now = view(record, sight, brief=True)
    if now.state is State.LIVE and (reason := _left_behind(now, sight)):
        return Entry("rollout-closed", {"rollout": record.id, "because": reason})
    if now.state is State.WARMING and measured(now.plan, sight.outcomes, sight.now):
        try:
            now = _prepared(now, sight)
        except TaxiwayError as refusal:
            because = refusal.message + (f"; what would work: {refusal.hint}" if refusal.hint else "")
            return _change(now, sight, Move(Change.UNABLE, Rule.UNSUITED, because))
    if now.state in _COMPARED and sight.loaded is False:
        return _change(now, sight, Move(Change.ROLL_BACK, Rule.BROKEN, sight.problem))
    action = next_action(now, sight)
    if now.state in _COMPARED and (isinstance(action, Move) or _worth_keeping(now, sight, action)):
        # The same once more, with all that people want to read later.
        now = view(record, sight)
        action = next_action(now, sight)
    elif isinstance(action, Stay):
        return None
    return _change(now, sight, action) if isinstance(action, Move) else _look(now, action)


def next_action(now: View, sight: Sight) -> Action:
    """What would be done at this look."""
    record = now.record
    progress = Progress(now.state, record.step, record.started_at, record.entered_at, _outcome(now, sight))
    action = decide(now.plan, progress, now.judgement, sight.now)
    if isinstance(action, Move) and action.change is Change.UNABLE and sight.problem:
        return replace(action, because=sight.problem)
    return action


def command(record: Rollout, sight: Sight, change: Change, because: str = "") -> Entry:
    """The event of somebody's ``change``.

    Raises:
        FailedPrecondition: not in the state it is in.
    """
    now = view(record, sight)
    follow(now.state, change)
    return _change(now, sight, Move(change, Rule.BY_HAND, because))


def _outcome(now: View, sight: Sight) -> bool | None:
    if now.state is State.WARMING:
        if sight.loaded is False:
            return False
        return True if sight.loaded and now.baseline.requests_per_second else None
    if now.state is State.PROMOTING:
        return False if sight.loaded is False else (sight.default == now.record.target or None)
    if now.state is State.ROLLING_BACK:
        return sight.default == now.record.source or None
    return None


def _prepared(now: View, sight: Sight) -> View:
    plan, baseline = prepare(now.plan, sight.outcomes or {}, sight.now, LOOK_SECONDS)
    return replace(now, plan=plan, baseline=baseline)


def _left_behind(now: View, sight: Sight) -> str:
    """Why a version that is live needs no watching any more; empty when it does."""
    if sight.default is not None and sight.default != now.record.target:
        return f"version {sight.default} answers"
    over = sight.now - now.record.entered_at > now.plan.rollback_window_seconds
    return "the rollback window is over" if over else ""


def _change(now: View, sight: Sight, move: Move) -> Entry:
    record, change = now.record, move.change
    state = follow(now.state, change)
    rule, because, verdict = move.rule.name, move.because, judgement_document(now.judgement)
    if move.rule is Rule.ARRIVED and now.state is not State.WARMING:
        # What was decided is done; why it was decided is what people ask for afterwards.
        rule, because, verdict = record.rule, record.because, dict(record.verdict)
    step = record.step if move.step is None else move.step
    seen = begin_step(now.seen) if change in _BEGINS_STEP else anew(now.seen) if change in _RESUMES else now.seen
    data = {
        "rollout": record.id,
        "change": change.name,
        "state": state.value,
        "step": step,
        "rule": rule,
        "because": because,
        "wish": wish(sides(record), now.plan, state, step, now.baseline.slow_us),
        "seen": seen.document(),
        "verdict": verdict,
        **_decided(now, sight, change),
    }
    if now.state is State.WARMING:
        data |= {"plan": plan_document(now.plan), "baseline": now.baseline.document()}
    return Entry("rollout-changed", data)


def _decided(now: View, sight: Sight, change: Change) -> dict[str, Any]:
    """What becomes the model's own state by a change: what is held, what is pinned, what is live."""
    record, newest = now.record, max(sight.newest, now.record.above)
    if change is Change.ROLL_BACK:
        back: dict[str, Any] = {"hold": record.target, "pin": {"version": record.source, "above": newest}}
        return {**back, "live": record.source} if sight.waits else back
    if change is Change.UNABLE:
        # Where nothing waits for a rollout, it would be taken over as soon as this one is gone.
        return {} if sight.waits else {"hold": record.target}
    if change is Change.PROMOTED:
        older = record.target < record.above
        pin = {"version": record.target, "above": record.above} if older else None
        return {"pin": pin, "live": record.target} if sight.waits else {"pin": pin}
    return {}


def _worth_keeping(now: View, sight: Sight, stay: Stay) -> bool:
    """Whether it is time to keep a look again at which nothing was done, or it found something new."""
    record = now.record
    found = _findings(judgement_document(now.judgement))
    new = (stay.rule.name, found) != (record.rule, _findings(record.verdict))
    return sight.now - record.looked_at >= (_CHANGED_SECONDS if new else _KEPT_SECONDS)


def _look(now: View, stay: Stay) -> Entry:
    data = {
        "rollout": now.record.id,
        "rule": stay.rule.name,
        "because": stay.because,
        "seen": now.seen.document(),
        "verdict": judgement_document(now.judgement),
    }
    return Entry("rollout-look", data)


def _findings(verdict: Mapping[str, Any]) -> list[str]:
    return [guard["finding"] for guard in verdict.get("guards", [])]
