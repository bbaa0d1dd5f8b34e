"""Plans against the traffic there is, and steps from a budget."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from taxiway.errors import FailedPrecondition
from taxiway.rollout.budget import (
    Traffic,
    affected_at_most,
    check_traffic,
    duration_seconds,
    requests_to_clear,
    with_steps,
)
from taxiway.rollout.evidence.harm import BadEvents, harm
from taxiway.rollout.evidence.projection import answers_below_ceiling, events_to_clear, events_to_convict, growth
from taxiway.rollout.plan import KNOWN_GUARDS, Guard, RolloutPlan

PLAN = RolloutPlan("digits", 2)
BUSY = Traffic(100, base_rates={"errors": 0.01, "p95": 0.05})


@pytest.mark.parametrize("budget", [20, 50, 200, 5000])
@pytest.mark.parametrize("rps", [0.5, 20, 1000, 50_000])
def test_a_budget_is_kept_and_its_steps_reach_the_half(budget: int, rps: float) -> None:
    traffic = Traffic(rps)
    plan = with_steps(replace(PLAN, at_most_affected=budget, max_seconds=1e6), traffic)
    assert affected_at_most(plan, traffic) <= budget
    assert plan.steps[-1] == 0.5
    assert plan.steps[0] <= 0.1
    assert all(after <= 5 * before + 1e-9 for before, after in zip(plan.steps, plan.steps[1:], strict=False))


def test_a_larger_budget_starts_larger() -> None:
    shares = [
        with_steps(replace(PLAN, at_most_affected=budget, max_seconds=1e6), Traffic(1000)).steps[0]
        for budget in (20, 30, 60)
    ]
    assert shares == sorted(shares) and shares[0] < shares[-1]


def test_a_plan_without_a_budget_keeps_its_steps() -> None:
    assert with_steps(PLAN, BUSY) is PLAN


def test_a_budget_too_small_to_tell_anything_is_refused_with_the_least() -> None:
    with pytest.raises(FailedPrecondition, match="a budget of 10") as caught:
        with_steps(replace(PLAN, at_most_affected=10), BUSY)
    least = int(str(caught.value.hint).split()[1])
    assert least == events_to_convict(PLAN.guard_alpha, 0.25) + 1
    assert with_steps(replace(PLAN, at_most_affected=least), BUSY).steps


def test_a_budget_that_lets_nothing_grow_is_refused() -> None:
    short = replace(PLAN, at_most_affected=19, step_seconds=0.0, step_units=1)
    with pytest.raises(FailedPrecondition, match="cannot grow beyond"):
        with_steps(short, Traffic(1000))


def test_no_traffic_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="gets no requests"):
        check_traffic(PLAN, Traffic(0))


def test_a_margin_too_tight_for_the_traffic_is_refused_with_what_would_work() -> None:
    tight = replace(PLAN, guards=(Guard("errors", safe_ratio=1.25),))
    slow = Traffic(2, base_rates={"errors": 0.01})
    with pytest.raises(FailedPrecondition, match="2 requests a second") as caught:
        check_traffic(tight, slow)
    assert "errors takes longest" in str(caught.value.hint)
    minutes = int(str(caught.value.hint).split()[1].removesuffix("m,"))
    check_traffic(replace(tight, max_seconds=60.0 * minutes), slow)


def test_a_ratio_alone_cannot_clear_what_never_fails() -> None:
    with pytest.raises(FailedPrecondition, match="only a ratio") as caught:
        check_traffic(replace(PLAN, guards=(Guard("errors", safe_ratio=2.0),)), Traffic(100))
    assert "errors=x2,0.5pt" in str(caught.value.hint)


def test_the_usual_plan_works_on_usual_traffic() -> None:
    check_traffic(PLAN, BUSY)
    assert duration_seconds(PLAN, BUSY) == 5 * 600
    assert duration_seconds(PLAN, Traffic(1, base_rates=BUSY.base_rates)) > 5 * 600
    assert duration_seconds(PLAN, Traffic(100)) == math.inf  # p95 has a ratio only


@pytest.mark.parametrize(("rate", "ratio", "median"), [(0.05, 1.5, 3600), (0.05, 2.0, 1200), (0.01, 2.0, 5600)])
def test_what_a_proof_needs_is_about_its_simulated_median(rate: float, ratio: float, median: int) -> None:
    needed = requests_to_clear(Guard("errors", safe_ratio=ratio), PLAN, rate)
    assert needed == pytest.approx(median, rel=0.25)


def test_units_that_come_back_make_a_step_longer() -> None:
    slow = replace(BUSY, requests_per_second=2.0)
    often = replace(slow, units_per_request=0.1)
    patient = replace(PLAN, steps=(0.5,), step_seconds=60.0)
    assert duration_seconds(patient, slow) < 0.5 * duration_seconds(replace(patient, step_units=1000), often)
    with pytest.raises(FailedPrecondition, match="takes about"):
        check_traffic(replace(patient, step_units=1000), often)


def test_points_clear_what_never_fails() -> None:
    need = requests_to_clear(KNOWN_GUARDS["errors"], PLAN, 0.0)
    assert need is not None and 1400 < need < 2600
    assert answers_below_ceiling(0.01, 0.005, 0.05) is None


def test_the_fewest_events_convict_and_one_less_does_not() -> None:
    events = events_to_convict(0.005)
    assert harm([BadEvents(events, 0)]).reaches(0.005)
    assert not harm([BadEvents(events - 1, 0)]).reaches(0.005)
    assert events_to_clear(1.5, 0.05) > events_to_clear(2.0, 0.05)  # type: ignore[operator]


def test_growth_is_the_first_factor_that_decides() -> None:
    assert growth(lambda k: 10.0 + 0 * k, 0.05) == 1
    assert growth(lambda k: 0.0 * k, 0.05) is None
    assert growth(lambda k: k, 0.05) == pytest.approx(np.log(20), rel=1e-3)
