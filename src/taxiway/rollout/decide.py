"""What to do next: a pure function of the plan, how far it has come, what was judged, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from taxiway.rollout.plan import RolloutPlan, Undecided
from taxiway.rollout.states import Change, State
from taxiway.rollout.verdict import Finding, GoalFinding, Judgement

__all__ = ["Action", "Move", "Progress", "Rule", "Stay", "decide"]


class Rule(Enum):
    """The rule that decided."""

    BRAKE = "most of its last answers are bad"
    HARM = "a guard has evidence of harm"
    CRASHED = "the process that it was in ended too often"
    GOAL_WORSE = "the goal got worse"
    SPLIT_UNEVEN = "the arms do not get their shares of the traffic"
    LABELS_UNEVEN = "the arms do not get their shares of the labels"
    TIME_OVER = "the time is over and the evidence is not enough"
    SHIP_UNDECIDED = "the time is over, nothing speaks against it, and the plan says to ship"
    MINIMUM = "the step has not seen enough yet"
    SUSPICION = "a guard suspects harm"
    UNPROVEN = "the absence of harm, or the goal, is not proven yet"
    GOOD_SO_FAR = "the minimum is met and no guard suspects harm"
    PROVEN = "every guard is proven within its margin"
    GOAL_BETTER = "an arm is better at the goal"
    BEGIN = "a rollout begins by loading its version"
    UNDER_WAY = "what this state waits for is not there yet"
    ARRIVED = "what this state waited for is there"
    BROKEN = "what this state waited for failed"
    PAUSED = "it is paused until somebody resumes it"
    OVER = "nothing is left to do"
    REPLAY = "recorded requests are not answered as the plan demands"
    UNSUITED = "the traffic does not allow what is planned"
    BY_HAND = "somebody said so"


@dataclass(frozen=True)
class Progress:
    """How far a rollout has come.

    ``step`` is an index into the plan's steps, -1 before the canary. ``started_at`` (pauses left out) and
    ``entered_at`` (this state, or this step of the canary) are seconds on the clock that ``now`` is from. ``outcome``
    is for states that wait for something to be done (warming, replay, promoting, rolling back): True it was, False it
    failed, None not yet.
    """

    state: State = State.PENDING
    step: int = -1
    started_at: float = 0.0
    entered_at: float = 0.0
    outcome: bool | None = None


@dataclass(frozen=True)
class Move:
    """Make ``change``; a step or the first canary says which step of the plan comes.

    Of an experiment, ``arm`` is the one that is dropped, or promoted.
    """

    change: Change
    rule: Rule
    because: str = ""
    step: int | None = None
    arm: str | None = None


@dataclass(frozen=True)
class Stay:
    """Change nothing; ``because`` says what is waited for, ``call_somebody`` that it will not come by itself."""

    rule: Rule
    because: str = ""
    call_somebody: bool = False


Action = Move | Stay


def decide(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> Action:
    """The next action. The first rule that applies decides; going back comes before everything else."""
    if progress.state in _WAITING:
        return _wait(plan, progress, now)
    if progress.state is State.LIVE:
        return _watch(plan, progress, judgement, now)
    if progress.state in (State.SHADOW, State.CANARY, State.PAUSED):
        return (
            _go_back(judgement)
            or _stand_still(progress, judgement)
            or _go_on(plan, progress, judgement, now)
            or _run_out(plan, progress, judgement, now)
            or _wait_for_evidence(plan, progress, judgement, now)
        )
    return Move(Change.BEGIN, Rule.BEGIN) if progress.state is State.PENDING else Stay(Rule.OVER)


# state: what follows when its work is done, when it failed
_WAITING = {
    State.WARMING: (Change.TO_CANARY, Change.UNABLE),
    State.REPLAY: (Change.TO_CANARY, Change.ROLL_BACK),
    State.PROMOTING: (Change.PROMOTED, Change.ROLL_BACK),
    State.ROLLING_BACK: (Change.ROLLED_BACK, Change.STUCK),
}


def _wait(plan: RolloutPlan, progress: Progress, now: float) -> Action:
    done, failed = _WAITING[progress.state]
    if progress.outcome is None:
        # Loading that never ends is no reason to wait for ever; going back, once begun, is.
        if progress.state is State.WARMING and _time_over(plan, progress, now):
            return Move(failed, Rule.TIME_OVER, f"it was not loaded in {plan.max_seconds:g} s")
        return Stay(Rule.UNDER_WAY)
    if not progress.outcome:
        return Move(failed, Rule.REPLAY if progress.state is State.REPLAY else Rule.BROKEN)
    if progress.state not in (State.WARMING, State.REPLAY):
        return Move(done, Rule.ARRIVED)
    if progress.state is State.WARMING and plan.replay is not None:
        return Move(Change.TO_REPLAY, Rule.ARRIVED)
    return Move(Change.TO_SHADOW, Rule.ARRIVED) if plan.shadow else Move(done, Rule.ARRIVED, step=0)


def _watch(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> Action:
    """While the old version is still loaded, the brake can go back to it; without a control nothing else can judge."""
    if judgement.braked and now - progress.entered_at <= plan.rollback_window_seconds:
        return Move(Change.ROLL_BACK, Rule.BRAKE)
    return Stay(Rule.OVER)


def _go_back(judgement: Judgement) -> Action | None:
    if judgement.braked:
        return Move(Change.ROLL_BACK, Rule.BRAKE)
    guilty = [verdict for verdict in judgement.verdicts if verdict.finding is Finding.HARM]
    if guilty:
        return Move(Change.ROLL_BACK, Rule.HARM, "; ".join(_names(judgement, Finding.HARM)))
    if judgement.goal is not None and judgement.goal.finding is GoalFinding.WORSE:
        return Move(Change.ROLL_BACK, Rule.GOAL_WORSE)
    return None


def _stand_still(progress: Progress, judgement: Judgement) -> Action | None:
    """A comparison of arms that lost traffic or labels means nothing; a person finds out why."""
    if progress.state is State.PAUSED:
        return Stay(Rule.PAUSED)
    if judgement.split_uneven:
        return Move(Change.PAUSE, Rule.SPLIT_UNEVEN)
    if judgement.labels_uneven:
        return Move(Change.PAUSE, Rule.LABELS_UNEVEN)
    return None


def _go_on(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> Action | None:
    """The next step or the promotion, when what it asks for is there."""
    if _minimum(plan, progress, judgement, now) or _names(judgement, Finding.SUSPICION):
        return None
    over = _time_over(plan, progress, now)
    lenient = plan.undecided is Undecided.SHIP
    if progress.state is State.CANARY and progress.step >= len(plan.steps) - 1:
        if not _unproven(plan, judgement):
            return Move(Change.PROMOTE, Rule.PROVEN, f"{plan.goal.name} is better" if plan.goal is not None else "")
        return Move(Change.PROMOTE, Rule.SHIP_UNDECIDED) if over and lenient and _all_judged(plan, judgement) else None
    if (over and not lenient) or not _all_judged(plan, judgement):
        return None
    if progress.state is State.SHADOW:
        return Move(Change.TO_CANARY, Rule.GOOD_SO_FAR, step=0)
    return Move(Change.STEP, Rule.GOOD_SO_FAR, step=progress.step + 1)


def _run_out(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> Action | None:
    """A person decides what the evidence did not; a lenient plan only asks when harm is suspected."""
    unhurried = plan.undecided is Undecided.SHIP and not _names(judgement, Finding.SUSPICION)
    if unhurried or not _time_over(plan, progress, now):
        return None
    return Stay(Rule.TIME_OVER, "promote it, or abort; it stays where it is", call_somebody=True)


def _wait_for_evidence(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> Action:
    missing = _minimum(plan, progress, judgement, now)
    if missing:
        return Stay(Rule.MINIMUM, missing)
    suspects = _names(judgement, Finding.SUSPICION)
    if suspects:
        return Stay(Rule.SUSPICION, "; ".join(suspects))
    return Stay(Rule.UNPROVEN, "; ".join(_unproven(plan, judgement)))


def _minimum(plan: RolloutPlan, progress: Progress, judgement: Judgement, now: float) -> str:
    """What the step still lacks; empty when nothing."""
    seconds = plan.step_seconds - (now - progress.entered_at)
    units = plan.step_units - judgement.step_units
    missing = [f"{seconds:.0f} s"] * (seconds > 0) + [f"{units} units an arm"] * (units > 0)
    return " and ".join(missing) + " more at this step" if missing else ""


def _unproven(plan: RolloutPlan, judgement: Judgement) -> list[str]:
    """What a promotion still lacks, each with how much more it needs."""
    found = {verdict.guard.name: verdict for verdict in judgement.verdicts}
    lacking = []
    for guard in plan.guards:
        verdict = found.get(guard.name)
        if verdict is None:
            lacking.append(f"{guard.name} was not judged")
        elif verdict.finding is not Finding.SAFE:
            lacking.append(f"{guard.name} needs {_amount(verdict.requests_to_decide, 'requests')}")
    if plan.goal is not None and (judgement.goal is None or judgement.goal.finding is not GoalFinding.BETTER):
        more = None if judgement.goal is None else judgement.goal.observations_to_decide
        lacking.append(f"{plan.goal.name} needs {_amount(more, 'observations')}")
    return lacking


def _amount(more: int | None, what: str) -> str:
    return f"more {what} than can be told" if more is None else f"about {more} more {what}"


def _all_judged(plan: RolloutPlan, judgement: Judgement) -> bool:
    return {guard.name for guard in plan.guards} <= {verdict.guard.name for verdict in judgement.verdicts}


def _names(judgement: Judgement, finding: Finding) -> list[str]:
    return [verdict.guard.name for verdict in judgement.verdicts if verdict.finding is finding]


def _time_over(plan: RolloutPlan, progress: Progress, now: float) -> bool:
    return now - progress.started_at > plan.max_seconds
