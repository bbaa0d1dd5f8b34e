"""A replay that a plan demands: how it is said, what meets it, what becomes of a rollout by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.rollout.arms import parse_experiment
from taxiway.rollout.demand import ReplayDemand, met, unmet
from taxiway.rollout.document import plan_document, read_document
from taxiway.rollout.parse import parse_plan
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.read import read_plan
from taxiway.rollout.states import Change
from tests.unit.rollout.serving import Begin
from tests.unit.rollout.simulated import World

DEMAND = ReplayDemand(requests=8)
PLAN = RolloutPlan("m", 2, steps=(0.1, 0.5), step_seconds=30.0, measure_seconds=60.0, replay=DEMAND)
EQUAL: Mapping[str, Any] = {
    "done": True, "problem": "", "asked": 8, "requests": 8, "rows": 8, "agreement": 1.0, "error_rate": 0.0,
    "slowdown": 1.0, "milliseconds": {"new": {"p50": 1.0}, "old": {"p50": 1.0}}, "worst": [],
}  # fmt: skip
WRONG = {**EQUAL, "agreement": 0.5, "worst": [{"request": "a#3", "what": "numbers", "output": "y", "largest": 1.0}]}
UNDER_WAY = {"done": False, "problem": "", "asked": 3, "requests": 8}


def parsed(**values: object) -> RolloutPlan:
    return parse_plan({"model": "digits", "to": 2, **values}, "the command line")


def test_a_table_and_a_flag_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('model = "digits"\nto = 2\n[replay]\nmin_agreement = 0.9\nmax_slowdown = 1.5\nrequests = 20\n')
    flag = parsed(replay="min_agreement=90%, max_slowdown=1.5,requests=20")
    assert read_plan(file) == flag and flag.replay == ReplayDemand(min_agreement=0.9, max_slowdown=1.5, requests=20)
    assert parsed(replay="").replay == parsed(replay=True).replay == ReplayDemand()
    assert parsed().replay is parsed(replay=False).replay is None
    assert read_document(plan_document(flag)) == flag


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("agreement=1", "replay = 'agreement=1'", "a table of requests, min_agreement"),
        ("requests=few", "replay = 'requests=few'", "a whole number for requests"),
        (3, "replay = 3", "true, or a table"),
        ({"min_agreement": 98}, "min_agreement of 98", "a fraction from 0 to 1"),
        ({"requests": 0}, "a replay of 0 requests", "1 to"),
        ({"max_slowdown": 0}, "max_slowdown of 0", "max_slowdown = 1.5"),
    ],
)
def test_a_demand_that_is_none_is_refused(value: object, message: str, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as refused:
        parsed(replay=value)
    assert hint in str(refused.value.hint)


def test_an_experiment_has_no_replay() -> None:
    with pytest.raises(InvalidArgument, match="no replay"):
        parse_experiment({"model": "m", "arms": "b=2:20", "goal": "revenue", "replay": True}, "the plan")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (EQUAL, ""),
        ({**EQUAL, "slowdown": None}, ""),
        (WRONG, "50 % agree, 98 % demanded; worst: request a#3, numbers in y by 1"),
        ({**EQUAL, "error_rate": 0.125}, "it alone refuses 12.5 %, at most 1 % allowed"),
        ({**EQUAL, "slowdown": 2.5}, "it takes 2.5 times as long, at most 2 allowed"),
    ],
)
def test_what_is_demanded_and_not_found_is_said(found: Mapping[str, Any], said: str) -> None:
    assert unmet(DEMAND, found) == said
    assert met(DEMAND, found) is (not said)
    assert met(DEMAND, None) is met(DEMAND, UNDER_WAY) is None


def in_replay() -> World:
    world = World(PLAN)
    world.run(60, 5, lambda w: w.rollout.state == "replay")
    assert world.rollout.state == "replay"
    return world


def test_no_user_sees_the_new_version_before_its_replay_is_done() -> None:
    world = in_replay()
    world.replay = UNDER_WAY
    world.run(60, 5)
    assert world.rollout.state == "replay" and world.default == 1
    wish = world.rollout.wish
    assert wish is not None and wish.versions == {1, 2} and wish.route is not None
    assert [arm["version"] for arm in wish.route["arms"] if arm["share_ppm"]] == [1]


@pytest.mark.parametrize(("shadow", "state"), [(0.0, "canary"), (0.5, "shadow")])
def test_a_version_that_answers_alike_goes_on(shadow: float, state: str) -> None:
    world = World(replace(PLAN, shadow=shadow))
    world.replay = EQUAL
    world.run(60, 5, lambda w: w.rollout.state == state)
    assert world.rollout.state == state
    assert world.rollout.baseline["replay"] == EQUAL and world.rollout.baseline["requests_per_second"] > 0


def test_a_version_that_answers_otherwise_is_put_back_and_held() -> None:
    world = in_replay()
    world.replay = WRONG
    world.run(60, 1)
    assert (world.rollout.state, world.rollout.rule, world.rollout.over) == ("rolled back", "REPLAY", True)
    assert world.rollout.because == unmet(DEMAND, WRONG)
    assert world.rollout.baseline["replay"] == WRONG and world.state.held == {2}


def test_a_replay_that_cannot_be_fails_the_rollout() -> None:
    world = in_replay()
    world.replay = {**UNDER_WAY, "done": True, "problem": "no request is recorded"}
    world.run(60, 5)
    assert (world.rollout.state, world.rollout.because) == ("failed", "no request is recorded")


def test_a_replay_can_be_called_off() -> None:
    world = in_replay()
    world.command(Change.ROLL_BACK)
    world.advance(1)
    assert world.rollout.state == "rolled back" and world.state.held == {2}


class Replays:
    """Finds what a test says, of what was asked of it."""

    def __init__(self) -> None:
        self.there = 0
        self.result: Mapping[str, Any] = WRONG
        self.asked: list[tuple[str, tuple[int, int], int]] = []

    def __call__(self, *_: object) -> Replays:
        return self

    def check(self, model: str, requests: int) -> None:
        if requests > self.there:
            raise FailedPrecondition(f"{self.there} recorded", hint="record_rate = 0.01")

    def found(
        self, rollout: str, model: str, versions: tuple[int, int], requests: int, tolerance: float
    ) -> dict[str, Any]:
        self.asked.append((rollout, versions, requests))
        return dict(self.result)

    def stop(self) -> None:
        self.there = 0


def test_a_server_without_recordings_says_so_before_anything_changes(serving: Begin) -> None:
    server = serving(replays=Replays())
    with pytest.raises(FailedPrecondition, match="0 recorded"):
        server.controller.begin("digits", {"to": 2, "replay": True}, "ann", 0.0)
    assert "rollout-started" not in [event["kind"] for event in server.handle.operator.history(10)]
    with pytest.raises(FailedPrecondition, match="replays nothing"):
        serving().controller.begin("digits", {"to": 2, "replay": {}}, "ann", 0.0)


def test_a_refused_version_is_shown_with_the_reason(serving: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    from taxiway.cli.main import main

    replays = Replays()
    replays.there = 200
    server = serving(replays=replays)
    status = server.begin(replay=True, step_units=100)
    server.controller.look()
    status = server.controller.status("digits")
    assert (status["state"], status["rule"], status["replay"]) == ("rolled back", "REPLAY", WRONG)
    assert {(versions, requests) for _, versions, requests in replays.asked} == {((2, 1), 200)}
    assert len({rollout for rollout, _, _ in replays.asked}) == 1
    url = str(server.handle.start_admin())
    assert main(["rollout", "status", "digits", "--server", url]) == 0
    printed = capsys.readouterr().out
    assert "replay: 8 of 8 recorded requests, 50 % agree" in printed
    assert "recorded requests are not answered as the plan demands (50 % agree, 98 % demanded" in printed
    assert main(["history", "digits", "--server", url]) == 0
    told = " ".join(word for word in capsys.readouterr().out.split())
    assert told.count("recorded requests are not") == 1 and told.count("50 % agree") == 1


def test_a_server_that_comes_back_asks_again(serving: Begin) -> None:
    first, again = Replays(), Replays()
    first.there, first.result = 200, UNDER_WAY
    server = serving(replays=first)
    server.begin(replay=True)
    server.controller.look()
    assert server.controller.status("digits")["state"] == "replay" and first.asked
    server.stop()
    again.result = EQUAL
    server = serving(replays=again)
    server.plane.ask("digits", 1)
    server.controller.look()
    assert server.controller.status("digits")["state"] == "canary"
    assert {rollout for rollout, *_ in again.asked} == {rollout for rollout, *_ in first.asked}


def test_only_the_server_that_judges_a_rollout_replays(serving: Begin) -> None:
    replays = Replays()
    replays.there, replays.result = 200, UNDER_WAY
    server = serving(replays=replays)
    server.begin(replay=True)
    server.controller.look()
    assert server.controller.status("digits")["replay"] == UNDER_WAY
    model = server.handle.loop.ask(lambda: server.handle.loop.models["digits"])
    assert model.state.rollout is not None
    model.state = replace(model.state, rollout=replace(model.state.rollout, leader="another"))
    replays.asked.clear()
    server.controller.look()
    assert server.controller.status("digits")["replay"] is None
    assert replays.asked == []
