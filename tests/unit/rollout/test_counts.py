"""What is made of what a data plane says."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from taxiway.rollout.counts import Seen, begin_step, goal_of, look, observations, tally_of, units_of
from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.evidence.means import Arm

GOAL = {"count": 2, "sum": 6.0, "sum_squares": 20.0}

ARM = {"answered": 5, "bad": {}, "bad_answers": {}, "recent": {"bad": 0, "answers": 5, "bad_ever": 0}}


def outcomes(goal: dict[str, Any]) -> dict[str, Any]:
    arms = [{**ARM, "arm": arm, "version": version, "goal": goal} for arm, version in (("canary", 2), ("control", 1))]
    return {"experiment": "e", "began_unix_ms": 1, "arms": arms}


def test_sums_too_large_for_json_leave_what_was_seen_before() -> None:
    seen = look(Seen.read({}), outcomes(GOAL), "e", 2)
    before = observations(seen, {}).goal
    assert before is not None and before[0].mean == 3.0
    too_large = look(seen, outcomes({"count": 2, "sum": None, "sum_squares": None}), "e", 2)
    assert observations(too_large, {}).goal == before


def test_sums_that_were_never_small_enough_are_no_goal() -> None:
    seen = look(Seen.read({}), outcomes({"count": 2, "sum": 1e200, "sum_squares": None}), "e", 2)
    assert observations(seen, {}).goal is None


def sums(values: list[float], origin: float | None) -> dict[str, Any]:
    """As a data plane says it; one that knows no origin sums the values themselves."""
    off = [value - (origin or 0.0) for value in values]
    known = {} if origin is None else {"origin": origin}
    return {"count": len(off), "sum": sum(off), "sum_squares": sum(each**2 for each in off), **known}


def goal_after(*processes: list[dict[str, Any]]) -> Arm:
    """The canary's goal after the documents of several processes, one after the other."""
    seen = Seen.read({})
    for began, goals in enumerate(processes):
        for goal in goals:
            seen = look(Seen.read(seen.document()), {**outcomes(goal), "began_unix_ms": began}, "e", 2)
    found = goal_of(seen, "canary")
    assert found is not None
    return found


def test_large_values_that_are_much_alike_keep_their_spread_over_looks_and_processes() -> None:
    values = [1e9 + off for off in (0.0, 1.0, 2.0, 3.0, 1.0, 2.0)]
    found = goal_after(
        [{**sums([], None), "origin": None}, sums(values[:2], 1e9), sums(values[:4], 1e9)], [sums(values[4:], 1e9 + 1)]
    )
    assert found.count == 6 and found.mean == statistics.mean(values)
    assert found.variance == pytest.approx(statistics.variance(values), rel=1e-12)


def test_a_record_of_sums_of_the_values_themselves_goes_on() -> None:
    values = [1.0, 2.0, 4.0, 7.0, 5.0]
    found = goal_after([sums(values[:3], None)], [sums(values[3:], 7.0)])
    assert found.count == 5 and found.mean == pytest.approx(statistics.mean(values))
    assert found.variance == pytest.approx(statistics.variance(values))


def test_the_first_bad_answer_of_a_unit_and_all_of_them_are_told_apart() -> None:
    document = outcomes(GOAL)
    counts = {"units": 3, "bad": {"errors": 2, "p95": 1}, "bad_answers": {"errors": 4, "p95": 5}}
    document["arms"][0] |= counts | {"recent": {"bad": 1, "answers": 5, "bad_ever": 6}}
    seen = look(Seen.read({}), document, "e", 2, ())
    canary = tally_of(seen, "canary")
    assert (canary.exposed("errors"), canary.bad, canary.all_bad("errors")) == (3, {"errors": 2, "p95": 1}, 4)
    assert tally_of(seen, "control").exposed("errors") == 5
    assert seen.recent == Recent(1, 5, 6)


def counted(**counts: int) -> dict[str, Any]:
    document = outcomes(GOAL)
    document["arms"][0] |= counts
    return document


def test_who_comes_at_every_step_is_one_unit_of_an_arm_and_one_of_each_step() -> None:
    first = look(Seen.read({}), counted(units=100, units_ever=100), "e", 2)
    seen = look(begin_step(first), counted(units=180, units_ever=120), "e", 2)
    assert (tally_of(seen, "canary").exposed("errors"), units_of(seen, "canary")) == (120, 80)


def test_a_record_without_units_of_all_steps_goes_on_from_those_of_each() -> None:
    kept = look(Seen.read({}), counted(units=100), "e", 2)
    assert tally_of(kept, "canary").exposed("errors") == 100
    later = {**counted(units=30, units_ever=20), "began_unix_ms": 2}
    assert tally_of(look(kept, later, "e", 2), "canary").exposed("errors") == 120


def test_whatever_a_copy_says_but_an_answer_is_bad() -> None:
    document = outcomes(GOAL)
    del document["arms"][0]
    recent = {"bad": 9, "answers": 20, "bad_ever": 9}
    codes = {"OK": 11, "INVALID_ARGUMENT": 8}
    document["shadows"] = [{"version": 2, "compared": 11, "codes": codes, "nan": 1, "recent": recent}]
    seen = look(Seen.read({}), document, "e", 2)
    shadow = tally_of(seen, "shadow")
    assert (shadow.answered, shadow.bad["errors"], seen.recent) == (19, 9, Recent(9, 20, 9))
