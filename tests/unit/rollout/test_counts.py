"""What is made of what a data plane says."""

from __future__ import annotations

from typing import Any

from taxiway.rollout.counts import Seen, begin_step, look, observations, tally_of, units_of
from taxiway.rollout.evidence.brake import Recent

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
