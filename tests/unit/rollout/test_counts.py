"""Counts that are none, in what a data plane says."""

from __future__ import annotations

from typing import Any

from taxiway.rollout.counts import Seen, look, observations

GOAL = {"count": 2, "sum": 6.0, "sum_squares": 20.0}


def outcomes(goal: dict[str, Any]) -> dict[str, Any]:
    arms = [
        {"arm": arm, "version": version, "answered": 5, "bad": {}, "recent": {"bad": 0, "answers": 5}, "goal": goal}
        for arm, version in (("canary", 2), ("control", 1))
    ]
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
