"""One look at a rollout: from its record and what is seen of the world to the next event of its journal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.journal import Rollout
from taxiway.rollout.arms import Experiment, decide_arms, experiment_document, judge_arms, parse_experiment
from taxiway.rollout.baseline import Baseline, measured, prepare
from taxiway.rollout.baseline import progress as measuring
from taxiway.rollout.counts import Seen, anew, begin_step, handed_over, look, observations, settles
from taxiway.rollout.decide import Action, Move, Progress, Rule, Stay, decide
from taxiway.rollout.demand import ReplayDemand, met, progress, unmet
from taxiway.rollout.document import as_kept, plan_document, read_document
from taxiway.rollout.entry import Entry
from taxiway.rollout.evidence.brake import brake
from taxiway.rollout.judge import judge
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.report import judgement_document
from taxiway.rollout.routing import CANARY, Sides, experiment, experiment_wish, wish
from taxiway.rollout.states import BEFORE, IN_PROCESS, Change, State, follow
from taxiway.rollout.verdict import Judgement

__all__ = [
    "LOOK_SECONDS",
    "Entry",
    "Sight",
    "View",
    "command",
    "counts_on",
    "own",
    "sides",
    "steer",
    "taken_up",
    "view",
]

LOOK_SECONDS = 1.0
"""The time between two looks."""
# A look that saw something new is kept, so often at most; those of a minute that found the same are one.
_KEPT_SECONDS, _ONE_LOOK_SECONDS = 5.0, 60.0
_COMPARED = frozenset({State.SHADOW, State.CANARY, State.PAUSED})
_SHARED = frozenset({State.PENDING, State.WARMING, State.CANARY, State.PAUSED})
_BEGINS_STEP = frozenset({Change.TO_SHADOW, Change.TO_CANARY, Change.STEP, Change.DROP})
_RESUMES = frozenset({Change.RESUME_SHADOW, Change.RESUME_CANARY})


@dataclass(frozen=True)
class Sight:
    """What a look sees of the world.

    ``now`` is seconds since the epoch. ``outcomes`` is the data plane's document for the model, perhaps still that of
    an earlier rollout, which :func:`own` leaves out. ``default`` answers requests that name no version; ``loaded`` is
    True when the new version serves, False when it was given up, with the ``problem``. ``newest`` is the newest version
    there. ``waits`` says that new versions wait for rollouts. ``replay`` is what the replay under way has come to.
    ``server`` is whose sight it is, where several share a journal.
    """

    now: float
    outcomes: Mapping[str, Any] | None = None
    default: int | None = None
    loaded: bool | None = None
    problem: str = ""
    newest: int = 0
    waits: bool = False
    replay: Mapping[str, Any] | None = None
    server: str = ""


@dataclass(frozen=True)
class View:
    """A record put into this package's own words, with what is seen now."""

    record: Rollout
    plan: RolloutPlan
    state: State
    baseline: Baseline
    seen: Seen
    judgement: Judgement
    experiment: Experiment | None = None
    arms: Mapping[str, Judgement] = field(default_factory=dict)


def sides(record: Rollout) -> Sides:
    """Its versions and names."""
    return Sides(record.id, record.salt, record.source, record.target, record.above)


def own(record: Rollout, sight: Sight) -> Sight:
    """The same without the counts of another experiment: the data plane shows the last one until the next begins."""
    theirs = sight.outcomes is not None and sight.outcomes["experiment"] != experiment(record.id, State(record.state))
    return replace(sight, outcomes=None) if theirs else sight


def view(record: Rollout, sight: Sight, *, brief: bool = False) -> View:
    """What the record says together with what is seen now; ``brief`` as for :func:`.judge.judge`."""
    sight = own(record, sight)
    tried = parse_experiment(as_kept(record.plan), "the journal") if "arms" in record.plan else None
    plan = read_document(record.plan) if tried is None else tried.plan
    state, baseline = State(record.state), Baseline.read(record.baseline)
    counted = experiment(record.id, state)
    brought = _brought(tried)
    seen = look(Seen.read(record.seen), sight.outcomes, counted, record.target, brought, server=sight.server)
    judgement = Judgement((), braked=state is State.LIVE and brake(seen.recent))
    arms: dict[str, Judgement] = {}
    if state in _COMPARED and not record.over and tried is not None:
        arms = judge_arms(tried, seen, baseline.base_rates, sight.outcomes, brief=brief)
        judgement = _together(arms)
    elif state in _COMPARED and not record.over:
        seen_so_far = observations(seen, baseline.base_rates, shadow=plan.shadow if record.step < 0 else 0.0)
        judgement = judge(plan, seen_so_far, brief=brief)
    return View(record, plan, state, baseline, seen, judgement, tried, arms)


def _brought(tried: Experiment | None) -> tuple[str, ...]:
    """What the counts of the arms that bring a new version begin with."""
    return (CANARY,) if tried is None else tuple(f"{arm.name}:{arm.version}" for arm in tried.arms)


def _together(arms: Mapping[str, Judgement]) -> Judgement:
    """All arms' judgements as one, to be shown."""
    return Judgement(
        verdicts=tuple(verdict for judgement in arms.values() for verdict in judgement.verdicts),
        braked=any(judgement.braked for judgement in arms.values()),
        split_uneven=any(judgement.split_uneven for judgement in arms.values()),
        labels_uneven=any(judgement.labels_uneven for judgement in arms.values()),
        step_units=min((judgement.step_units for judgement in arms.values()), default=0),
    )


def steer(record: Rollout, sight: Sight) -> Entry | None:
    """The next event of a rollout that is not over; None when there is nothing to keep."""
    if record.over:
        return None
    sight = own(record, sight)
    now = view(record, sight, brief=True)
    if now.state is State.LIVE and (reason := _left_behind(now, sight)):
        return Entry("rollout-closed", {"rollout": record.id, "because": reason})
    if now.state in IN_PROCESS and record.crashes >= now.plan.max_crashes:
        return _change(now, sight, Move(Change.ROLL_BACK, Rule.CRASHED, f"{record.crashes} times"))
    if now.state is State.WARMING and sight.loaded and measured(now.plan, sight.outcomes, sight.now):
        try:
            now = _prepared(now, sight)
        except TaxiwayError as refusal:
            because = refusal.message + (f"; what would work: {refusal.hint}" if refusal.hint else "")
            return _change(now, sight, Move(Change.UNABLE, Rule.UNSUITED, because))
    if now.state is State.REPLAY and sight.replay is not None and sight.replay["problem"]:
        return _change(now, sight, Move(Change.UNABLE, Rule.BROKEN, sight.replay["problem"]))
    if now.state in (*_COMPARED, State.REPLAY) and sight.loaded is False:
        return _change(now, sight, Move(Change.ROLL_BACK, Rule.BROKEN, sight.problem))
    action = next_action(now, sight)
    if now.state in _COMPARED and (isinstance(action, Move) or _worth_keeping(now, sight, action)):
        # The same once more, with all that people want to read later.
        now = view(record, sight)
        action = next_action(now, sight)
    elif isinstance(action, Stay):
        return None
    return _change(now, sight, action) if isinstance(action, Move) else _look(now, sight, action)


def taken_up(record: Rollout, server: str) -> Entry | None:
    """What is kept when a process of ``server`` begins and finds a rollout that is not over; None for nothing."""
    data = {"rollout": record.id, "server": server}
    if server not in record.serving:
        return Entry("rollout-joined", data)
    return Entry("rollout-crashed", data) if State(record.state) in IN_PROCESS else None


def counts_on(record: Rollout, sight: Sight) -> dict[str, Any]:
    """What a rollout has seen, from when the server whose ``sight`` it is judges it."""
    counted = experiment(record.id, State(record.state))
    return handed_over(Seen.read(record.seen), sight.outcomes, counted, record.target, server=sight.server).document()


def next_action(now: View, sight: Sight) -> Action:
    """What would be done at this look."""
    record = now.record
    started = record.started_at + now.seen.paused_seconds + _pausing(now, sight)
    progress = Progress(now.state, record.step, started, record.entered_at, _outcome(now, sight))
    if now.experiment is not None and now.arms:
        return decide_arms(now.experiment, progress, now.arms, sight.now)
    action = decide(now.plan, progress, now.judgement, sight.now)
    if isinstance(action, Move) and action.change is Change.UNABLE and sight.problem:
        return replace(action, because=sight.problem)
    if isinstance(action, Stay) and now.state is State.WARMING and sight.loaded:
        return replace(action, because=measuring(now.plan, sight.outcomes))
    if now.state is State.REPLAY and now.plan.replay is not None:
        return replace(action, because=_of_replay(now.plan.replay, action, sight))
    return action


def _of_replay(demand: ReplayDemand, action: Action, sight: Sight) -> str:
    if isinstance(action, Stay) or sight.replay is None:
        return progress(sight.replay)
    return unmet(demand, sight.replay)


def command(record: Rollout, sight: Sight, change: Change, arm: str | None = None, because: str = "") -> Entry:
    """The event of somebody's ``change``; to promote in an experiment takes an ``arm``. ``because`` says who asked.

    Raises:
        FailedPrecondition: not in the state it is in.
        InvalidArgument: an arm that the experiment does not have, or none where one must be named.
    """
    now = view(record, sight)
    follow(now.state, change)
    if change is Change.PROMOTE:
        names = [each.name for each in now.experiment.arms] if now.experiment is not None else [None]
        if arm not in names:
            known = ", ".join(name or "none; a rollout has no arms to choose from" for name in names)
            raise InvalidArgument("no such arm" if arm else "which arm is to be promoted?", hint=f"arms: {known}")
    return _change(now, sight, Move(change, Rule.BY_HAND, because, arm=arm))


def _outcome(now: View, sight: Sight) -> bool | None:
    if now.state is State.WARMING:
        if sight.loaded is False:
            return False
        return True if sight.loaded and now.baseline.requests_per_second else None
    if now.state is State.REPLAY and now.plan.replay is not None:
        return met(now.plan.replay, sight.replay)
    if now.state is State.PROMOTING:
        return False if sight.loaded is False else (sight.default == now.record.target or None)
    if now.state is State.ROLLING_BACK:
        return sight.default == now.record.source or None
    return None


def _prepared(now: View, sight: Sight) -> View:
    proof = now.experiment is None
    plan, baseline = prepare(now.plan, sight.outcomes or {}, sight.now, LOOK_SECONDS, proof=proof)
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
    target, before = record.target, now
    if now.experiment is not None and move.arm is not None:
        target, now = _with_arm(now, move)
    begins = now.state in BEFORE and state not in BEFORE
    seen = Seen.read({}) if begins else anew(now.seen) if change in _RESUMES else now.seen
    seen = begin_step(seen) if change in _BEGINS_STEP else seen
    seen = replace(seen, paused_seconds=seen.paused_seconds + _pausing(now, sight))
    data = {
        "rollout": record.id,
        "change": change.name,
        "state": state.value,
        "step": step,
        "rule": rule,
        "because": because,
        "wish": _wish(now, replace(sides(record), target=target), state, step),
        "seen": seen.document(),
        "verdict": verdict,
        **_decided(now, sight, change),
    }
    if target != record.target:
        data |= {"to": target}
    if now.experiment is not None and before.experiment is not None and move.arm is not None:
        data |= {"plan": experiment_document(now.experiment)}
        if change is Change.DROP:
            data |= {"hold": [arm.version for arm in before.experiment.arms if arm.name == move.arm]}
    if now.state is State.WARMING:
        document = plan_document(now.plan) if now.experiment is None else dict(record.plan)
        data |= {"plan": document, "baseline": now.baseline.document()}
    if now.state is State.REPLAY and sight.replay is not None and sight.replay["done"]:
        data |= {"baseline": {**record.baseline, "replay": dict(sight.replay)}}
    return Entry("rollout-changed", data)


def _pausing(now: View, sight: Sight) -> float:
    """For how long it has been paused, which is no part of the time that it may take."""
    return max(sight.now - now.record.entered_at, 0.0) if now.state is State.PAUSED else 0.0


def _with_arm(now: View, move: Move) -> tuple[int, View]:
    """The rollout's version when an arm is promoted, and the experiment without it when it is dropped."""
    assert now.experiment is not None
    arms = now.experiment.arms
    version = next(arm.version for arm in arms if arm.name == move.arm)
    if move.change is Change.PROMOTE:
        return version, now
    left = tuple(arm for arm in arms if arm.name != move.arm)
    target = left[0].version if left else now.record.target
    return target, replace(now, experiment=replace(now.experiment, arms=left or arms))


def _wish(now: View, versions: Sides, state: State, step: int) -> dict[str, Any] | None:
    tried, slow_us = now.experiment, now.baseline.slow_us
    if tried is None or state not in _SHARED:
        return wish(versions, now.plan, state, step, slow_us)
    control = replace(tried.control, version=versions.source)
    return experiment_wish(versions, now.plan, (*tried.arms, control), state, slow_us)


def _decided(now: View, sight: Sight, change: Change) -> dict[str, Any]:
    """What becomes the model's own state by a change: what is held, what is pinned, what is live."""
    record, newest = now.record, max(sight.newest, now.record.above)
    arms = now.experiment.arms if now.experiment is not None else ()
    brought = sorted({record.target, *(arm.version for arm in arms)})
    if change is Change.ROLL_BACK:
        back: dict[str, Any] = {"hold": brought, "pin": {"version": record.source, "above": newest}}
        return {**back, "live": record.source} if sight.waits else back
    if change is Change.UNABLE:
        # Where nothing waits for a rollout, it would be taken over as soon as this one is gone.
        return {} if sight.waits else {"hold": brought}
    if change is Change.PROMOTED:
        older = record.target < record.above
        pin = {"version": record.target, "above": record.above} if older else None
        return {"pin": pin, "live": record.target} if sight.waits else {"pin": pin}
    return {}


def _worth_keeping(now: View, sight: Sight, stay: Stay) -> bool:
    """Whether it is time to keep a look at which nothing was done, and it saw something new."""
    record = now.record
    if settles(Seen.read(record.seen), now.seen, _brought(now.experiment)):
        return True  # what is slow counts from what was kept last
    if sight.now - record.looked_at < _KEPT_SECONDS:
        return False
    return now.seen.total != record.seen.get("total", {}) or not _found_the_same(now, stay)


def _found_the_same(now: View, stay: Stay) -> bool:
    """Whether a look came to nothing but what is kept already."""
    found = _findings(judgement_document(now.judgement))
    return (stay.rule.name, found) == (now.record.rule, _findings(now.record.verdict))


def _look(now: View, sight: Sight, stay: Stay) -> Entry:
    record = now.record
    again = record.look_id and _found_the_same(now, stay) and sight.now - record.look_since < _ONE_LOOK_SECONDS
    data = {
        "rollout": record.id,
        "rule": stay.rule.name,
        "because": stay.because,
        "seen": now.seen.document(),
        "verdict": judgement_document(now.judgement),
        "since": record.look_since if again else sight.now,
    }
    return Entry("rollout-look", data, record.look_id if again else 0)


def _findings(verdict: Mapping[str, Any]) -> list[str]:
    return [guard["finding"] for guard in verdict.get("guards", [])]
