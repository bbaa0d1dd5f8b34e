"""What is done next, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taxiway.rollout.decide import Move, Progress, Rule, Stay, decide
from taxiway.rollout.plan import Goal, RolloutPlan, Undecided
from taxiway.rollout.states import TRANSITIONS, Change, State
from taxiway.rollout.verdict import Finding, GoalFinding, GoalVerdict, Judgement, Verdict

PLAN = RolloutPlan("digits", 2)
LENIENT = replace(PLAN, undecided=Undecided.SHIP)
LATER = 700.0
OVER = 7300.0


def judged(*findings: Finding, units: int = 300, **others: object) -> Judgement:
    """A judgement with one finding a guard; one for all when only one is given."""
    each = findings * len(PLAN.guards) if len(findings) == 1 else findings
    verdicts = tuple(
        Verdict(guard, finding, 1.0, 0.5, 2.0, 0.0, 0.0, 0 if finding is Finding.SAFE else 1234)
        for guard, finding in zip(PLAN.guards, each, strict=False)
    )
    return Judgement(verdicts, step_units=units, **others)  # type: ignore[arg-type]


def goal(finding: GoalFinding) -> GoalVerdict:
    return GoalVerdict(finding, 0.0, -1.0, 1.0, 1.0, 50)


OPEN, SAFE = judged(Finding.OPEN), judged(Finding.SAFE)
FIRST, LAST = Progress(State.CANARY, 0), Progress(State.CANARY, len(PLAN.steps) - 1)
SHADOW = Progress(State.SHADOW)


@pytest.mark.parametrize(
    ("progress", "judgement", "now", "change", "rule"),
    [
        (Progress(), OPEN, 0, Change.BEGIN, Rule.BEGIN),
        (Progress(State.WARMING), OPEN, 5, None, Rule.UNDER_WAY),
        (Progress(State.WARMING, outcome=True), OPEN, 5, Change.TO_CANARY, Rule.ARRIVED),
        (Progress(State.WARMING, outcome=False), OPEN, 5, Change.UNABLE, Rule.BROKEN),
        (Progress(State.WARMING), OPEN, OVER, Change.UNABLE, Rule.TIME_OVER),
        (SHADOW, OPEN, LATER, Change.TO_CANARY, Rule.GOOD_SO_FAR),
        (SHADOW, judged(Finding.OPEN, units=10), LATER, None, Rule.MINIMUM),
        (SHADOW, judged(Finding.HARM, Finding.OPEN), LATER, Change.ROLL_BACK, Rule.HARM),
        (FIRST, OPEN, LATER, Change.STEP, Rule.GOOD_SO_FAR),
        (FIRST, OPEN, 599, None, Rule.MINIMUM),
        (FIRST, judged(Finding.OPEN, units=199), LATER, None, Rule.MINIMUM),
        (FIRST, judged(Finding.SUSPICION, Finding.SAFE), LATER, None, Rule.SUSPICION),
        (FIRST, judged(Finding.SAFE, Finding.HARM), 1, Change.ROLL_BACK, Rule.HARM),
        (FIRST, judged(Finding.SAFE, braked=True), 1, Change.ROLL_BACK, Rule.BRAKE),
        (FIRST, judged(Finding.SAFE, split_uneven=True), LATER, Change.PAUSE, Rule.SPLIT_UNEVEN),
        (FIRST, judged(Finding.SAFE, labels_uneven=True), LATER, Change.PAUSE, Rule.LABELS_UNEVEN),
        (FIRST, judged(Finding.HARM, split_uneven=True), LATER, Change.ROLL_BACK, Rule.HARM),
        (FIRST, SAFE, LATER, Change.STEP, Rule.GOOD_SO_FAR),  # proven, and yet no step is skipped
        (FIRST, OPEN, OVER, None, Rule.TIME_OVER),
        (LAST, OPEN, LATER, None, Rule.UNPROVEN),
        (LAST, judged(Finding.SAFE, Finding.OPEN), LATER, None, Rule.UNPROVEN),
        (LAST, SAFE, 599, None, Rule.MINIMUM),
        (LAST, SAFE, LATER, Change.PROMOTE, Rule.PROVEN),
        (LAST, SAFE, OVER, Change.PROMOTE, Rule.PROVEN),
        (LAST, OPEN, OVER, None, Rule.TIME_OVER),
        (LAST, judged(Finding.SUSPICION, Finding.SAFE), LATER, None, Rule.SUSPICION),
        (LAST, Judgement(SAFE.verdicts[:1], step_units=300), LATER, None, Rule.UNPROVEN),
        (replace(LAST, state=State.PAUSED), SAFE, LATER, None, Rule.PAUSED),
        (replace(LAST, state=State.PAUSED), judged(Finding.HARM), LATER, Change.ROLL_BACK, Rule.HARM),
        (replace(LAST, state=State.PAUSED), judged(Finding.SAFE, braked=True), LATER, Change.ROLL_BACK, Rule.BRAKE),
        (Progress(State.PROMOTING), SAFE, LATER, None, Rule.UNDER_WAY),
        (Progress(State.PROMOTING, outcome=True), SAFE, LATER, Change.PROMOTED, Rule.ARRIVED),
        (Progress(State.PROMOTING, outcome=False), SAFE, LATER, Change.ROLL_BACK, Rule.BROKEN),
        (Progress(State.LIVE), SAFE, OVER, None, Rule.OVER),
        (Progress(State.LIVE), judged(Finding.SAFE, braked=True), OVER, Change.ROLL_BACK, Rule.BRAKE),
        (Progress(State.LIVE), judged(Finding.SAFE, braked=True), 90_000, None, Rule.OVER),
        (Progress(State.ROLLING_BACK), SAFE, OVER, None, Rule.UNDER_WAY),
        (Progress(State.ROLLING_BACK, outcome=True), SAFE, LATER, Change.ROLLED_BACK, Rule.ARRIVED),
        (Progress(State.ROLLING_BACK, outcome=False), SAFE, LATER, Change.STUCK, Rule.BROKEN),
        (Progress(State.ROLLED_BACK), judged(Finding.HARM), LATER, None, Rule.OVER),
        (Progress(State.FAILED), judged(Finding.HARM), LATER, None, Rule.OVER),
    ],
)
def test_the_next_action(
    progress: Progress, judgement: Judgement, now: float, change: Change | None, rule: Rule
) -> None:
    action = decide(PLAN, progress, judgement, now)
    assert action.rule is rule
    if change is None:
        assert isinstance(action, Stay)
    else:
        assert isinstance(action, Move)
        assert action.change is change
        assert (progress.state, change) in TRANSITIONS


def test_a_rollout_with_a_shadow_begins_there() -> None:
    action = decide(replace(PLAN, shadow=0.1), Progress(State.WARMING, outcome=True), OPEN, 1)
    assert isinstance(action, Move) and action.change is Change.TO_SHADOW


def test_a_step_is_the_next_one() -> None:
    for step in range(len(PLAN.steps) - 1):
        action = decide(PLAN, Progress(State.CANARY, step), SAFE, LATER)
        assert isinstance(action, Move) and action.step == step + 1
    first = decide(PLAN, Progress(State.WARMING, outcome=True), OPEN, 1)
    assert isinstance(first, Move) and first.step == 0


@pytest.mark.parametrize(
    ("progress", "judgement", "change", "rule"),
    [
        (LAST, OPEN, Change.PROMOTE, Rule.SHIP_UNDECIDED),
        (FIRST, OPEN, Change.STEP, Rule.GOOD_SO_FAR),
        (LAST, judged(Finding.SUSPICION, Finding.SAFE), None, Rule.TIME_OVER),
        (LAST, judged(Finding.OPEN, units=3), None, Rule.MINIMUM),
        (LAST, Judgement((), step_units=300), None, Rule.UNPROVEN),
        (LAST, judged(Finding.OPEN, split_uneven=True), Change.PAUSE, Rule.SPLIT_UNEVEN),
    ],
)
def test_a_lenient_plan_ships_what_nothing_speaks_against(
    progress: Progress, judgement: Judgement, change: Change | None, rule: Rule
) -> None:
    action = decide(LENIENT, progress, judgement, OVER)
    assert action.rule is rule
    assert (action.change if isinstance(action, Move) else None) is change


def test_a_lenient_plan_waits_for_its_time() -> None:
    assert decide(LENIENT, LAST, OPEN, LATER).rule is Rule.UNPROVEN


@pytest.mark.parametrize(
    ("finding", "rule"),
    [(GoalFinding.BETTER, Rule.PROVEN), (GoalFinding.OPEN, Rule.UNPROVEN), (GoalFinding.WORSE, Rule.GOAL_WORSE)],
)
def test_a_goal_is_waited_for(finding: GoalFinding, rule: Rule) -> None:
    plan = replace(PLAN, goal=Goal("clicks"))
    assert decide(plan, LAST, replace(SAFE, goal=goal(finding)), LATER).rule is rule
    assert decide(plan, LAST, SAFE, LATER).rule is Rule.UNPROVEN


def test_waiting_says_for_what() -> None:
    assert decide(PLAN, FIRST, judged(Finding.OPEN, units=150), 480).because == (
        "120 s and 50 units an arm more at this step"
    )
    assert decide(PLAN, LAST, judged(Finding.SAFE, Finding.OPEN), LATER).because == "p95 needs about 1234 more requests"
    assert "errors" in decide(PLAN, LAST, judged(Finding.HARM, Finding.OPEN), LATER).because
    over = decide(PLAN, LAST, OPEN, OVER)
    assert isinstance(over, Stay) and over.call_somebody
