"""What the old version does before the ramp: when it was watched for long enough, and what it comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.rollout.baseline import measured, prepare
from taxiway.rollout.plan import KNOWN_GUARDS, RolloutPlan
from tests.unit.rollout.simulated import BEGAN, MICROSECONDS, World

PLAN = RolloutPlan("m", 2, steps=(0.1, 0.5), step_seconds=30.0, max_seconds=36000.0)
ERRORS = replace(PLAN, guards=(KNOWN_GUARDS["errors"],))
RATIO = replace(PLAN, guards=(replace(KNOWN_GUARDS["errors"], safe_points=None),))


def outcomes(answered: int, units: int = 0, p95: float = 2000.0) -> dict[str, Any]:
    """Half of the answers are counted by units, and half of the time as slow."""
    half = answered // 2
    arms = [
        {"arm": arm, "version": 1, "answered": half, "units": units,
         "bad": {"errors": half // 100}, "bad_answers": {"errors": half // 100},
         "latency": {"quantiles_us": {**MICROSECONDS, "p95": slow}}}
        for arm, slow in (("measured", p95), ("stable", 3 * p95))
    ]  # fmt: skip
    return {"experiment": "r1-before", "began_unix_ms": BEGAN * 1000, "arms": arms}


@pytest.mark.parametrize(
    ("plan", "answered", "seconds", "enough"),
    [
        (PLAN, 1000, 2, True),
        (PLAN, 900, 20, False),
        (PLAN, 900, 299, False),
        (PLAN, 900, 300, True),
        (PLAN, 0, 9, False),
        (PLAN, 0, 10, True),  # nobody asks anything
        (PLAN, 10, 10, True),  # 300 in five minutes
        (PLAN, 20, 10, False),  # 600: more may come
        (ERRORS, 10, 10, False),
        (ERRORS, 10, 299, False),
        (ERRORS, 300, 9, False),  # perhaps a burst
        (ERRORS, 300, 10, True),  # nothing is called slow
        (PLAN, 300, 10, False),
        (ERRORS, 299, 10, False),
        (RATIO, 300, 10, False),  # whether anything fails at all
    ],
)
def test_a_thousand_answers_are_waited_for_while_they_may_come(
    plan: RolloutPlan, answered: int, seconds: float, enough: bool
) -> None:
    assert measured(plan, outcomes(answered), BEGAN + seconds) is enough


def test_too_few_answers_to_call_anything_slow_are_refused_with_what_would_work() -> None:
    with pytest.raises(FailedPrecondition, match="answered 900 requests in 300 s, and it takes 1000") as refused:
        prepare(PLAN, outcomes(900), BEGAN + 300, 1.0)
    assert refused.value.hint == 'measure = "9m" waits for them; --guard errors alone needs none'
    assert prepare(ERRORS, outcomes(900), BEGAN + 300, 1.0)[1].slow_us == {}


def test_few_answers_allow_no_more_errors_than_a_thousand_with_as_many() -> None:
    assert outcomes(300)["arms"][0]["bad_answers"] == {"errors": 1}
    for answered, rate in ((300, 0.002), (1000, 0.01), (2000, 0.01)):
        assert prepare(ERRORS, outcomes(answered), BEGAN + 10, 1.0)[1].base_rates == {"errors": rate}


def test_what_is_slow_is_taken_of_all_answers() -> None:
    assert prepare(PLAN, outcomes(2000), BEGAN + 20, 1.0)[1].slow_us == {"p95": 4000}


def test_steps_are_planned_for_units_that_come_back() -> None:
    hurried = replace(PLAN, step_units=2000, max_seconds=1200.0)
    prepare(hurried, outcomes(2000, units=1000), BEGAN + 20, 1.0)
    with pytest.raises(FailedPrecondition, match="this plan takes about"):
        prepare(hurried, outcomes(2000, units=50), BEGAN + 20, 1.0)


def test_nothing_is_measured_while_the_new_version_loads() -> None:
    world = World(PLAN)
    world.loaded = None
    world.run(600, 5)
    assert (world.rollout.state, world.counting) == ("warming", None)
    world.loaded = True
    world.advance(5)
    assert world.rollout.state == "warming"
    world.advance(5)
    assert world.rollout.state == "canary"
