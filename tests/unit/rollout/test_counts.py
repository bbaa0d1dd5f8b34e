"""What is made of what a data plane says."""

from __future__ import annotations

from typing import Any

from taxiway.rollout.counts import Seen, look, observations, tally_of
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


def test_whatever_a_copy_says_but_an_answer_is_bad() -> None:
    document = outcomes(GOAL)
    del document["arms"][0]
    recent = {"bad": 9, "answers": 20, "bad_ever": 9}
    codes = {"OK": 11, "INVALID_ARGUMENT": 8}
    document["shadows"] = [{"version": 2, "compared": 11, "codes": codes, "nan": 1, "recent": recent}]
    seen = look(Seen.read({}), document, "e", 2)
    shadow = tally_of(seen, "shadow")
    assert (shadow.answered, shadow.bad["errors"], seen.recent) == (19, 9, Recent(9, 20, 9))
