"""What of a rollout is kept in its journal while nothing is decided, and when a server's process ends."""

from __future__ import annotations

from dataclasses import replace

from taxiway.journal import replay
from taxiway.rollout.steer import Entry, taken_up
from tests.unit.rollout.simulated import World
from tests.unit.rollout.test_steer import PLAN, in_canary, worse


def test_what_is_counted_is_kept_every_five_seconds_and_a_minute_of_looks_is_one() -> None:
    world = in_canary(World(replace(PLAN, step_seconds=600.0, max_seconds=9000.0)))
    begun, kept = len(world.events), world.kept
    for _ in range(120):
        world.advance(2)
        assert world.now - world.rollout.looked_at <= 6
    assert 35 <= world.kept - kept <= 60
    assert 4 <= len(world.events) - begun <= 12
    assert replay(world.events)["m"] == world.state


def test_looks_that_see_nothing_new_are_not_kept() -> None:
    world = in_canary(World(replace(PLAN, step_seconds=600.0, max_seconds=9000.0)))
    world.rps = 0.0
    world.run(60, 5)
    kept = world.kept
    world.run(3600, 5)
    assert world.kept - kept <= 2  # from the minimum of the step to its evidence


def test_a_look_that_finds_something_else_leaves_the_one_before_in_the_history() -> None:
    world = World(PLAN, worse)
    world.run(3600, 5)
    verdicts = [event.data["verdict"] for event in world.events if event.kind in ("rollout-look", "rollout-changed")]
    found = [verdict["guards"][0]["finding"] for verdict in verdicts if verdict.get("guards")]
    assert list(dict.fromkeys(found)) == ["not decided", "perhaps worse", "worse"]


def test_a_version_whose_process_ends_again_and_again_is_put_back() -> None:
    world = in_canary(World(replace(PLAN, max_crashes=2)))
    world.keep(joined(world, "rollout-joined"))
    for crashes, state in ((1, "canary"), (2, "rolling back")):
        world.restart()
        world.keep(joined(world, "rollout-crashed"))
        world.look()
        assert (world.rollout.crashes, world.rollout.state) == (crashes, state)
    world.look()
    assert (world.rollout.state, world.rollout.rule, world.rollout.because) == ("rolled back", "CRASHED", "2 times")
    assert world.state.held == {2} and taken_up(world.rollout, "a") is None


def joined(world: World, kind: str) -> Entry:
    entry = taken_up(world.rollout, "a")
    assert entry is not None and entry.kind == kind
    return entry


def test_a_server_that_was_stopped_in_order_did_not_crash() -> None:
    world = in_canary(World(PLAN))
    world.keep(joined(world, "rollout-joined"))
    world.keep(Entry("rollout-left", {"rollout": "r1", "server": "a"}))
    world.keep(joined(world, "rollout-joined"))
    world.look()
    assert (world.rollout.state, world.rollout.crashes) == ("canary", 0)


def test_what_ends_a_process_before_the_version_is_loaded_is_not_the_versions() -> None:
    world = World(PLAN)
    world.keep(joined(world, "rollout-joined"))
    assert world.rollout.state == "pending" and taken_up(world.rollout, "a") is None
    world.look()
    assert world.rollout.state == "warming"
    joined(world, "rollout-crashed")
