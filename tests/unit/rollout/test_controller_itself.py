"""Rollouts that a server begins by itself, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.unit.rollout.serving import Begin, Server
from tests.unit.rollout.simulated import GOOD

PLAN = {"steps": [10, 50], "step_duration": "30s", "measure": "60s"}


def publish(server: Server, version: int) -> None:
    server.publish(version)
    assert server.handle.loop.wait_until(lambda models: version in models["digits"].whole(), 10)
    server.controller.look()


def test_the_second_rollout_is_not_measured_on_the_counts_of_the_first(serving: Begin) -> None:
    server = serving(rollout=PLAN, versions=1)
    server.controller.look()
    publish(server, 2)
    assert server.go_on(3600, until=("live",))["state"] == "live"
    # Long after: on the first one's counts, there would be next to no traffic.
    server.clock.skipped += 80_000
    publish(server, 3)
    assert (server.controller.status("digits")["to"], server.controller.status("digits")["state"]) == (3, "warming")
    status = server.go_on(3600, until=("live",))
    assert (status["state"], status["to"]) == ("live", 3)


def test_a_rollout_that_cannot_begin_leaves_the_brake_of_the_last_one_in_force(serving: Begin, tmp_path: Path) -> None:
    failing: list[bool] = []

    def rates(arm: str, version: int) -> Mapping[str, float]:
        return {**GOOD, "errors": 1.0} if failing and version == 2 else GOOD

    plan = tmp_path / "plan.toml"
    plan.write_text('steps = [10, 50]\nstep_duration = "30s"\nmeasure = "60s"\n')
    server = serving(rollout={"file": str(plan)}, versions=1, rates=rates)
    server.controller.look()
    publish(server, 2)
    server.go_on(3600, until=("live",))
    plan.unlink()
    publish(server, 3)
    failing.append(True)
    status = server.go_on(60)
    assert (status["state"], status["rule"], status["to"]) == ("rolled back", "BRAKE", 2)


def test_what_a_live_version_is_watched_for_ends_with_the_next_rollout_and_says_so(serving: Begin) -> None:
    server = serving(rollout="manual", versions=1)
    publish(server, 2)
    server.begin()
    server.go_on(3600, until=("live",))
    publish(server, 3)
    server.controller.begin("digits", {"to": 3}, "ann", 0.0)
    (closed,) = [event for event in server.handle.operator.history(9) if event["kind"] == "rollout-closed"]
    assert closed["who"] == "ann"
    assert closed["data"]["because"] == "a rollout of version 3 begins, so version 1 is no longer kept"
