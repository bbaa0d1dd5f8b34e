"""What copies of requests show before anybody is answered, and how fast a version is held to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from taxiway.rollout.plan import KNOWN_GUARDS
from tests.unit.rollout.simulated import GOOD, World
from tests.unit.rollout.test_steer import QUICK, changes

SHADOWED = replace(QUICK, guards=(KNOWN_GUARDS["errors"], KNOWN_GUARDS["accuracy"]), shadow=0.5)


def shadowed(accuracy: tuple[int, int], errors: int = 0) -> World:
    """A rollout that copies half of the requests, after a minute; of each hundred, how many tell the versions apart."""
    world = World(SHADOWED)
    world.run(60, 5, lambda w: w.rollout.state == "shadow")
    route = None if world.state.wish is None else world.state.wish.route
    assert route is not None and route["shadow"] == {"version": 2, "share_ppm": 500_000} and route["arms"] == []
    for _ in range(12):
        world.serve(100)
        assert world.counting is not None
        if not world.rollout.over:
            world.counting.copy(2, 100, accuracy, errors)
        world.advance(5)
    return world


def test_a_shadow_that_is_as_right_lets_the_canary_begin_and_is_asked_on() -> None:
    world = shadowed((2, 2))
    assert "TO_SHADOW" in changes(world) and world.rollout.state in ("canary", "promoting", "live")
    assert world.rollout.seen["total"]["shadow.compared"] >= 600


def test_copies_end_where_the_canary_begins_unless_a_guard_compares_them() -> None:
    for guards, copied in (((KNOWN_GUARDS["errors"],), False), (SHADOWED.guards, True)):
        world = World(replace(SHADOWED, guards=guards))
        world.run(60, 5, lambda w: w.rollout.state == "shadow")
        world.serve(100)
        assert world.counting is not None
        world.counting.copy(2, 300, (2, 2), 0)
        world.run(60, 5, lambda w: w.rollout.state == "canary")
        route = None if world.state.wish is None else world.state.wish.route
        assert world.rollout.state == "canary" and route is not None and ("shadow" in route) is copied


def test_the_first_slow_answers_after_loading_are_not_held_against_a_version() -> None:
    def cold(arm: str, version: int) -> Mapping[str, float]:
        fresh = world.counting is not None and world.counting.arms.get(("canary", 2), {}).get("answered", 0) < 50
        return {**GOOD, "p95": 1.0} if version == 2 and fresh else GOOD

    world = World(QUICK, cold)
    world.run(3600, 1, lambda w: w.rollout.state == "live")
    assert "ROLL_BACK" not in changes(world) and world.rollout.state == "live"
    total = world.rollout.seen["total"]
    assert 50 <= total["canary.unsettled"] <= 50 + 2 * 15
    errors = world.rollout.seen["raw"]["canary.bad.errors"]
    assert total["canary.bad.errors"] == errors  # from the first one on


def test_equal_versions_that_are_not_quite_equally_fast_are_not_convicted() -> None:
    convicted = 0
    for seed in range(20):
        world = World(QUICK, lambda arm, version: {**GOOD, "p95": 0.058 if version == 2 else 0.05}, seed=seed, rps=400)
        world.run(3600, 10, lambda w: w.rollout.state == "live")
        convicted += "ROLL_BACK" in changes(world)
    assert convicted == 0


@pytest.mark.parametrize(
    ("accuracy", "errors", "rule"),
    [((1, 9), 0, "HARM"), ((0, 0), 80, "BRAKE"), ((0, 0), 9, "HARM")],
    ids=["less right", "failing", "failing now and then"],
)
def test_a_bad_shadow_never_answers_a_request(accuracy: tuple[int, int], errors: int, rule: str) -> None:
    world = shadowed(accuracy, errors)
    assert (world.rollout.state, world.rollout.rule) == ("rolled back", rule)
    assert "TO_CANARY" not in changes(world) and world.state.held == {2}


def test_a_shadow_that_fails_as_seldom_as_the_old_version_lets_the_canary_begin() -> None:
    assert "TO_CANARY" in changes(shadowed((2, 2), errors=1))
