"""Verdicts from observations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.evidence.harm import BadEvents, harm, no_harm
from taxiway.rollout.evidence.means import Arm
from taxiway.rollout.evidence.paired import Paired, not_worse
from taxiway.rollout.evidence.ratio import Assigned
from taxiway.rollout.judge import judge
from taxiway.rollout.observations import Exposure, Observations, Tally
from taxiway.rollout.plan import KNOWN_GUARDS, Goal, Guard, RolloutPlan
from taxiway.rollout.verdict import Finding, GoalFinding, GoalVerdict, Verdict

ERRORS = Guard("errors", safe_ratio=2.0)
PLAN = RolloutPlan("digits", 2, guards=(ERRORS,))


def exposure(answered: int, canary: int, control: int, share: float = 0.5, guard: str = "errors") -> Exposure:
    return Exposure(Tally(answered, {guard: canary}), Tally(answered, {guard: control}), share)


def verdict(plan: RolloutPlan, *exposures: Exposure, **seen: object) -> Verdict:
    (found,) = judge(plan, Observations(exposures=exposures, **seen)).verdicts  # type: ignore[arg-type]
    return found


def goal(canary: Arm | None, control: Arm, *, higher: bool = True) -> GoalVerdict:
    plan = replace(PLAN, goal=Goal("clicks", higher))
    found = judge(plan, Observations(goal=None if canary is None else (canary, control))).goal
    assert found is not None
    return found


def test_before_anything_was_seen_nothing_is_decided() -> None:
    found = judge(PLAN, Observations())
    assert [each.finding for each in found.verdicts] == [Finding.OPEN]
    assert found.verdicts[0].requests_to_decide is None
    assert (found.braked, found.split_uneven, found.labels_uneven, found.step_units) == (False, False, False, 0)
    assert found.goal is None


@pytest.mark.parametrize(
    ("canary", "control", "finding"),
    [
        (25, 5, Finding.HARM),
        (18, 5, Finding.SUSPICION),
        (8, 5, Finding.OPEN),
        (40, 40, Finding.SAFE),
        (60, 60, Finding.SAFE),
    ],
)
def test_a_guard_finds_what_the_counts_show(canary: int, control: int, finding: Finding) -> None:
    found = verdict(PLAN, exposure(1000, canary, control))
    assert found.finding is finding
    assert found.estimate == pytest.approx(canary / control)
    assert found.low < found.estimate < found.high
    assert found.log_e_harm == pytest.approx(harm([BadEvents(canary, control)]).log_e)
    assert found.log_e_safe == pytest.approx(no_harm([BadEvents(canary, control)], 2).log_e)


def test_what_is_decided_needs_no_more_and_what_is_not_says_how_much() -> None:
    assert verdict(PLAN, exposure(1000, 25, 5)).requests_to_decide == 0
    assert verdict(PLAN, exposure(1000, 60, 60)).requests_to_decide == 0
    more = verdict(PLAN, exposure(1000, 10, 10)).requests_to_decide
    assert more is not None
    enough = (2000 + more) / 2000
    later = exposure(round(1000 * enough), math.ceil(10 * enough), math.ceil(10 * enough))
    assert verdict(PLAN, later).finding is Finding.SAFE


def test_at_the_margin_no_number_of_requests_is_promised_for_the_proof() -> None:
    strict = replace(PLAN, guards=(Guard("errors", harm_margin=1.0, safe_ratio=2.0),))
    assert verdict(strict, exposure(1000, 20, 10)).requests_to_decide is None


def test_more_guards_ask_each_for_more_evidence() -> None:
    seen = Observations(exposures=(exposure(1000, 22, 4),))
    assert judge(PLAN, seen).verdicts[0].finding is Finding.HARM
    both = judge(replace(PLAN, guards=(ERRORS, Guard("toxic"), Guard("late"), Guard("rude"))), seen)
    assert both.verdicts[0].finding is Finding.SUSPICION
    assert [each.guard.name for each in both.verdicts] == ["errors", "toxic", "late", "rude"]


def test_a_version_that_never_fails_is_cleared_by_points() -> None:
    plan = replace(PLAN, guards=(KNOWN_GUARDS["errors"],))
    assert verdict(plan, exposure(400, 0, 0)).finding is Finding.OPEN
    needed = verdict(plan, exposure(400, 0, 0)).requests_to_decide
    assert needed is not None and 0 < needed < 2000
    assert verdict(plan, exposure(1000, 0, 0)).finding is Finding.SAFE
    assert verdict(PLAN, exposure(10**6, 0, 0)).finding is Finding.OPEN  # a ratio of nothing to nothing


def test_points_are_on_top_of_what_the_old_version_had() -> None:
    plan = replace(PLAN, guards=(Guard("errors", safe_ratio=None, safe_points=0.005),))
    seen = exposure(6000, 60, 60)
    assert verdict(plan, seen).finding is Finding.OPEN
    assert verdict(plan, seen, base_rates={"errors": 0.01}).finding is Finding.SAFE


def test_two_bets_are_averaged() -> None:
    plan = replace(PLAN, guards=(KNOWN_GUARDS["errors"],))
    seen = exposure(1000, 0, 0)
    alone = replace(PLAN, guards=(Guard("errors", safe_ratio=None, safe_points=0.005),))
    expected = math.log((math.exp(verdict(alone, seen).log_e_safe) + 1) / 2)
    assert verdict(plan, seen).log_e_safe == pytest.approx(expected)


def test_the_evidence_of_every_share_counts() -> None:
    parts = (exposure(500, 9, 3), Exposure(Tally(100, {"errors": 6}), Tally(900, {"errors": 9}), 0.1))
    found = verdict(PLAN, *parts)
    assert found.log_e_harm == pytest.approx(harm([BadEvents(9, 3), BadEvents(6, 9, 0.1)]).log_e)


def test_a_paired_guard_looks_at_the_shadow() -> None:
    plan = replace(PLAN, guards=(KNOWN_GUARDS["accuracy"],), shadow=0.1)
    bad = verdict(plan, paired={"accuracy": Paired(5, 40, 1000)})
    assert bad.finding is Finding.HARM
    assert bad.high < 0
    good = verdict(plan, paired={"accuracy": Paired(10, 10, 3000)})
    assert good.finding is Finding.SAFE
    assert good.log_e_safe == pytest.approx(not_worse(Paired(10, 10, 3000), 0.01).log_e)
    none = verdict(plan)
    assert (none.finding, none.requests_to_decide) == (Finding.OPEN, None)
    few = verdict(plan, paired={"accuracy": Paired(1, 1, 198)})
    assert few.finding is Finding.OPEN
    assert few.requests_to_decide is not None and few.requests_to_decide > 200


def test_the_brake_and_the_splits_are_passed_on() -> None:
    found = judge(
        PLAN,
        Observations(
            recent=Recent(12, 20, 12),
            assigned=(Assigned((4000, 6000), (0.5, 0.5)),),
            labelled=(Assigned((500, 2000), (0.5, 0.5)),),
            step_units=(300, 250),
        ),
    )
    assert (found.braked, found.split_uneven, found.labels_uneven, found.step_units) == (True, True, True, 250)


@pytest.mark.parametrize(("canary", "higher", "finding"), [
    (0.92, True, GoalFinding.BETTER), (0.92, False, GoalFinding.WORSE),
    (0.84, True, GoalFinding.WORSE), (0.84, False, GoalFinding.BETTER), (0.881, True, GoalFinding.OPEN),
])  # fmt: skip
def test_a_goal_is_reached_missed_or_open(canary: float, higher: bool, finding: GoalFinding) -> None:
    found = goal(Arm(20_000, canary, canary * (1 - canary)), Arm(20_000, 0.88, 0.1056), higher=higher)
    assert found.finding is finding
    assert found.low < found.estimate < found.high
    assert (found.p < 0.05) == (finding is not GoalFinding.OPEN)
    if finding is GoalFinding.OPEN:
        assert found.observations_to_decide is not None and found.observations_to_decide > 40_000
    else:
        assert found.observations_to_decide == 0


def test_a_goal_without_observations_is_open() -> None:
    found = goal(None, Arm(0, 0, 0))
    assert (found.finding, found.p, found.observations_to_decide) == (GoalFinding.OPEN, 1.0, None)
    assert goal(Arm(50, 1, 0.2), Arm(50, 0, 0.2)).finding is GoalFinding.OPEN


def test_units_that_all_met_with_something_bad_prove_nothing() -> None:
    def arm(bad_answers: int, bad: int = 1000) -> Tally:
        return Tally(100_000, {"errors": bad}, 1000, {"errors": bad_answers})

    # Each unit's answers are bad now and then, in the canary twice as often.
    assert verdict(PLAN, Exposure(arm(10_000), arm(5_000))).finding is Finding.OPEN
    assert verdict(PLAN, Exposure(arm(5_000), arm(5_000))).finding is Finding.SAFE
    # One caller of the control's gets nothing but bad answers.
    assert verdict(PLAN, Exposure(arm(50, 50), arm(9_000, 25))).finding is not Finding.SAFE


def test_answers_to_few_units_prove_no_low_rate() -> None:
    plan = replace(PLAN, guards=(Guard("errors", safe_points=0.005),))
    assert verdict(plan, Exposure(Tally(5000, {}), Tally(5000, {}))).finding is Finding.SAFE
    assert verdict(plan, Exposure(Tally(5000, {}, 50), Tally(5000, {}, 50))).finding is Finding.OPEN
