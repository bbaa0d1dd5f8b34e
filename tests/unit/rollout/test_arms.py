"""Experiments: several arms beside one control, until a goal decides or somebody does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from taxiway.errors import InvalidArgument
from taxiway.journal import replay
from taxiway.rollout.arms import experiment_document, parse_experiment
from taxiway.rollout.states import Change
from taxiway.rollout.steer import Entry
from tests.unit.rollout.simulated import GOOD, World, alike

VALUES = {
    "model": "m",
    "arms": ["b=2:20", "c=3:30"],
    "goal": "revenue",
    "guards": ["errors"],
    "step_duration": "60s",
    "measure": "1m",
}
BY_ITSELF = {**VALUES, "promote": "by itself"}


def begun(values: Mapping[str, object], worth: Mapping[str, float], bad: Mapping[str, float] | None = None) -> World:
    chances = bad or {}
    world = World(
        parse_experiment(values, "here"),
        lambda arm, version: {**GOOD, "errors": chances.get(arm, 0.01)} if bad else alike(arm, version),
    )
    world.newest, world.values = 3, worth
    world.run(60, 5, lambda w: w.rollout.state == "canary")
    assert world.rollout.state == "canary"
    return world


def arms(world: World) -> list[tuple[str, int, int, int]]:
    route = None if world.state.wish is None else world.state.wish.route
    assert route is not None
    return [(arm["name"], arm["version"], arm["begin_ppm"], arm["share_ppm"]) for arm in route["arms"]]


def test_arms_lie_side_by_side_with_a_control_as_large_as_the_largest() -> None:
    world = begun(VALUES, {})
    assert arms(world) == [("b", 2, 0, 200_000), ("c", 3, 200_000, 300_000), ("control", 1, 500_000, 300_000)]
    assert world.state.wish is not None and world.state.wish.versions == {1, 2, 3}
    assert world.default == 1


def test_the_arm_that_the_goal_prefers_waits_for_somebody() -> None:
    world = begun(VALUES, {"b": 1.0, "c": 1.3, "control": 1.0})
    world.run(3600, 10, lambda w: w.rollout.rule == "GOAL_BETTER")
    assert (world.rollout.state, world.rollout.because) == ("canary", "c is better; promote it, or abort")
    with pytest.raises(InvalidArgument, match="which arm"):
        world.command(Change.PROMOTE)
    with pytest.raises(InvalidArgument, match="no such arm") as refused:
        world.command(Change.PROMOTE, "d")
    assert refused.value.hint == "arms: b, c"
    world.command(Change.PROMOTE, "b")
    assert (world.rollout.target, world.default) == (2, 2)
    world.advance(1)
    assert world.rollout.state == "live"
    assert world.state.pin is not None and (world.state.pin.version, world.state.pin.above) == (2, 3)


def test_the_better_arm_is_promoted_by_itself_when_the_plan_says_so() -> None:
    world = begun(BY_ITSELF, {"b": 1.0, "c": 1.3, "control": 1.0})
    world.run(3600, 10, lambda w: w.rollout.state == "live")
    assert (world.rollout.state, world.rollout.target, world.default) == ("live", 3, 3)
    world.command(Change.ROLL_BACK)
    assert world.state.held == {2, 3} and world.default == 1


def test_an_arm_that_does_harm_is_dropped_and_the_others_stay_where_they_are() -> None:
    world = begun(VALUES, {}, {"b": 0.10})
    world.run(900, 5, lambda w: w.state.held == {2})
    assert arms(world) == [("c", 3, 200_000, 300_000), ("control", 1, 500_000, 300_000)]
    drop = next(event for event in world.events if event.data.get("rule") == "HARM")
    assert (drop.data["change"], drop.data["because"]) == ("DROP", "b: errors")
    world.run(200, 5)
    assert world.rollout.state == "canary"
    assert replay(world.events)["m"] == world.state


def test_a_paused_experiment_loses_the_arm_that_does_harm_and_no_other() -> None:
    world = begun(VALUES, {}, {"b": 0.10})
    world.command(Change.PAUSE)
    world.run(900, 5, lambda w: w.state.held == {2})
    assert world.rollout.state == "paused" and world.state.held == {2}
    assert [name for name, *_ in arms(world)] == ["c", "control"]
    world.command(Change.RESUME_CANARY)
    world.advance(5)
    assert world.rollout.state == "canary" and replay(world.events)["m"] == world.state


def test_a_rollback_by_hand_holds_the_versions_of_all_arms() -> None:
    world = begun(VALUES, {})
    world.keep(Entry("rollback", {"from": 2, "to": 1, "above": 3}), "ann")
    assert world.state.held == {2, 3} and world.rollout.over


def test_when_the_last_arm_does_harm_the_old_version_is_put_back() -> None:
    world = begun(VALUES, {}, {"b": 0.10, "c": 0.10})
    world.run(3600, 5)
    assert world.rollout.over and world.rollout.state == "rolled back"
    assert world.state.held == {2, 3} and world.default == 1


def test_when_every_arm_is_worse_at_the_goal_the_old_version_stays() -> None:
    world = begun(VALUES, {"b": 0.8, "c": 0.7, "control": 1.0})
    world.run(3600, 10)
    assert (world.rollout.state, world.rollout.rule) == ("rolled back", "GOAL_WORSE")


def test_when_the_time_is_over_somebody_decides() -> None:
    world = begun({**VALUES, "max_duration": "10m"}, {"b": 1.0, "c": 1.0, "control": 1.0})
    world.run(1200, 10, lambda w: w.rollout.rule == "TIME_OVER")
    assert (world.rollout.state, world.rollout.rule) == ("canary", "TIME_OVER")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"arms": ["b=2:40", "c=3:40"]}, "are 120 %, over 100 %"),
        ({"arms": ["b=2:20", "b=3:20"]}, "two arms are alike"),
        ({"arms": ["b=2"]}, "an arm 'b=2'"),
        ({"arms": ["control=2:10"]}, "an arm 'control=2:10'"),
        ({"arms": []}, "arms = "),
        ({"promote": "now"}, "promote = 'now'"),
        ({"shadow": 10}, "has no shadow"),
        ({"stepz": 1}, "unknown key 'stepz'"),
    ],
)
def test_an_experiment_that_cannot_work_is_refused(changed: Mapping[str, object], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        parse_experiment({**VALUES, **changed}, "here")
    assert refused.value.hint


def test_an_experiment_needs_a_goal() -> None:
    with pytest.raises(InvalidArgument, match="has no goal"):
        parse_experiment({key: value for key, value in VALUES.items() if key != "goal"}, "here")


@pytest.mark.parametrize("values", [VALUES, BY_ITSELF])
def test_an_experiment_survives_its_document(values: Mapping[str, object]) -> None:
    tried = parse_experiment(values, "here")
    assert parse_experiment(experiment_document(tried), "the journal") == tried
