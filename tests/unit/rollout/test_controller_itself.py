"""Rollouts that a server begins by itself, one after the other, and which version it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from taxiway.errors import FailedPrecondition, NotFound
from tests.unit.rollout.serving import Begin, Server
from tests.unit.rollout.simulated import GOOD
from tests.waiting import PATIENCE_SECONDS

PLAN = {"steps": [10, 50], "step_duration": "30s", "measure": "60s"}


def publish(server: Server, version: int) -> None:
    server.publish(version)
    assert server.handle.loop.wait_until(lambda models: version in models["digits"].whole(), PATIENCE_SECONDS)
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


def started(server: Server, **plan: object) -> int:
    status = server.controller.begin("digits", {"measure": "1m", **plan}, "ann", 0.0)
    return int(status["to"])


def test_the_newest_version_that_may_be_rolled_out_is_the_one_that_is_meant(serving: Begin) -> None:
    server = serving(rollout="manual", versions=2)
    assert server.plane.default("digits") == 2
    with pytest.raises(NotFound, match="no version of digits newer than 2, which answers") as refused:
        started(server)
    assert refused.value.hint == "publish one; or go back to an older one (1) with taxiway rollback digits"
    server.publish(3)
    server.publish(4)
    server.handle.operator.hold("digits", 4, "ann")
    assert started(server) == 3
    server.controller.change("digits", "abort", "ann")
    server.controller.look()
    with pytest.raises(NotFound, match="nothing newer than version 2 may be rolled out: 3, 4 is held") as refused:
        started(server)
    assert refused.value.hint == "taxiway rollout start digits --to 4 rolls it out all the same"


@pytest.mark.parametrize("plan", [{}, {"to": 2}], ids=["the newest", "by number"])
def test_what_was_published_a_moment_ago_is_found(serving: Begin, plan: dict[str, object]) -> None:
    server = serving(rollout="manual", versions=1)
    server.publish(2)
    assert started(server, **plan) == 2


def test_a_version_that_is_not_whole_yet_is_not_called_missing(serving: Begin) -> None:
    server = serving(rollout="manual", versions=1)
    (server.root / "models" / "digits" / "2").mkdir()
    with pytest.raises(FailedPrecondition, match="version 2 of digits cannot be rolled out yet: ") as refused:
        started(server, to=2)
    assert refused.value.hint == "try again when it is whole"


def test_a_plan_that_waits_for_feedback_says_that_none_has_come(
    serving: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    from taxiway.cli.rollout_view import show

    server = serving()
    status = server.begin(goal="revenue")
    (note,) = status["notes"]
    assert note.startswith("no feedback has come yet, which the goal revenue cannot do without: client.feedback(")
    show(status)
    assert f"warning: {note}" in capsys.readouterr().err
    server.go_on(5)
    server.plane.counting["digits"].worth("canary", 2, np.array([1.0]))
    assert server.controller.status("digits")["notes"] == []
