"""The controller in a running server: what it keeps, what is served, what people see and may do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from taxiway.cli.main import main
from taxiway.cli.rollout import follow
from taxiway.cli.rollout_view import line_of, show
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from taxiway.journal import Event
from taxiway.types import JsonObject
from tests.unit.rollout.serving import Begin, CountingPlane
from tests.unit.rollout.simulated import GOOD
from tests.waiting import PATIENCE_SECONDS


def bad(arm: str, version: int) -> Mapping[str, float]:
    return {**GOOD, "errors": 0.3 if version == 2 else 0.01}


def test_a_rollout_brings_a_version_and_the_old_one_stays_for_a_while(serving: Begin) -> None:
    server = serving()
    assert server.plane.default("digits") == 1
    status = server.begin()
    assert (status["state"], status["step"], status["from"], status["to"]) == ("canary", 1, 1, 2)
    assert server.plane.serving("digits") == [1, 2]
    entry = server.plane.table["models"]["digits"]
    assert [(arm["name"], arm["version"], arm["share_ppm"]) for arm in entry["route"]["arms"]] == [
        ("canary", 2, 100_000),
        ("control", 1, 100_000),
    ]
    shares = {one["version"]: one["share"] for one in server.handle.status("digits")[0]["versions"]}
    assert shares == {1: 0.9, 2: 0.1}
    status = server.go_on(3600, until=("live",))
    assert status["state"] == "live"
    assert server.handle.wait_default("digits", 2, PATIENCE_SECONDS)
    assert server.plane.serving("digits") == [1, 2]
    server.clock.skipped += 90_000
    server.controller.look()
    assert server.controller.status("digits")["over"]
    assert server.handle.loop.wait_until(lambda models: models["digits"].serving() == [2], PATIENCE_SECONDS)


def test_a_bad_version_goes_back_by_itself_and_is_held(serving: Begin) -> None:
    server = serving(rates=bad)
    server.begin()
    status = server.go_on(600)
    assert (status["state"], status["over"]) == ("rolled back", True)
    assert server.plane.default("digits") == 1
    assert server.handle.status("digits")[0]["held"] == [2]
    assert "route" not in server.plane.table["models"]["digits"]
    affected = sum(arm["bad"]["errors"] for arm in status["arms"] if arm["arm"] == "canary")
    assert affected < 60


def test_a_newer_version_waits_until_the_rollout_is_over(serving: Begin) -> None:
    server = serving()
    server.begin()
    server.publish(3)
    assert server.handle.loop.wait_until(lambda models: 3 in models["digits"].whole(), PATIENCE_SECONDS)
    rows = {one["version"]: one for one in server.handle.status("digits")[0]["versions"]}
    assert rows[3]["note"] == "waits for the end of the rollout of version 2"
    assert server.plane.serving("digits") == [1, 2]
    server.controller.change("digits", "promote", "ann")
    server.controller.look()
    assert server.handle.wait_default("digits", 3, PATIENCE_SECONDS)


@pytest.mark.parametrize("seconds", [0, 60, 3600], ids=["first step", "later", "live"])
def test_rollback_works_at_any_time_in_one_step(serving: Begin, seconds: float) -> None:
    server = serving()
    server.begin()
    server.go_on(seconds, until=("live",))
    events = len(server.handle.operator.history(1000))
    loads, tables = len(server.plane.specs), len(server.plane.tables)
    done = server.handle.rollback("digits", who="ann")
    # At once: nothing was loaded for it, and the first table after it is the one without the rollout.
    swap = server.plane.tables[tables]["models"]["digits"]
    assert len(server.plane.specs) == loads and swap["default"] == 1 and "route" not in swap
    assert (done["from"], done["to"], done["done"]) == (2, 1, True)
    assert server.plane.default("digits") == 1 and "route" not in server.plane.table["models"]["digits"]
    assert len(server.handle.operator.history(1000)) == events + 1
    status = server.controller.status("digits")
    assert (status["state"], status["over"], status["because"]) == ("rolled back", True, "rollback by ann")
    assert server.handle.status("digits")[0]["held"] == [2]


@pytest.mark.parametrize("seconds", [0, 40, 3600], ids=["first step", "second step", "live"])
def test_a_restart_comes_back_to_the_same_table(serving: Begin, seconds: float) -> None:
    server = serving()
    server.begin()
    server.go_on(seconds, until=("live",))
    before, status = server.plane.table["models"]["digits"], server.controller.status("digits")
    server.stop()
    again = serving()
    again.clock.skipped = server.clock.skipped
    assert again.handle.loop.wait_until(lambda models: len(models["digits"].serving()) == 2, PATIENCE_SECONDS)
    after = again.plane.table["models"]["digits"]
    assert (after["default"], after.get("route"), sorted(after["versions"])) == (
        before["default"],
        before.get("route"),
        sorted(before["versions"]),
    )
    now = again.controller.status("digits")
    assert [now[key] for key in ("rollout", "state", "step", "over")] == [
        status[key] for key in ("rollout", "state", "step", "over")
    ]
    assert now["crashes"] == 0


@pytest.mark.parametrize("seconds", [0, 3600], ids=["canary", "live"])
def test_a_version_that_ends_its_process_is_put_back_and_not_loaded_again(
    serving: Begin, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serving()
    server.begin(max_crashes=2)
    server.go_on(seconds, until=("live",))
    server.crash()
    server = serving()
    status = server.controller.status("digits")
    assert (status["crashes"], status["max_crashes"], status["over"]) == (1, 2, False)
    show(dict(status))
    assert "crashes: 1 of 2" in capsys.readouterr().out
    server.crash()
    server = serving()
    status = server.go_on(5)
    assert (status["state"], status["rule"], status["because"]) == ("rolled back", "CRASHED", "2 times")
    assert server.plane.default("digits") == 1 and server.handle.status("digits")[0]["held"] == [2]
    assert [spec["version"] for spec in server.plane.specs] == [1]
    kinds = [event["kind"] for event in server.handle.operator.history(1000)]
    assert kinds.count("rollout-crashed") == 2


def test_who_does_not_lead_a_rollout_leaves_it_to_the_server_that_does(serving: Begin) -> None:
    server = serving(rates=bad)
    server.controller._lead.server = "a:8501"
    server.begin()
    server.controller._lead.server = "b:8501"
    counted = server.controller.status("digits")["arms"]
    status = server.go_on(300)
    assert (status["state"], status["step"], status["arms"]) == ("canary", 1, counted)
    server.controller._lead.server = "a:8501"
    assert server.go_on(300)["state"] == "rolled back"


def test_what_cannot_be_written_changes_nothing_and_is_said(serving: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(rates=bad)
    server.begin()
    journal = server.handle.loop._around.journal
    table = server.plane.table

    def full(event: Event, replaces: int = 0, after: int | None = None) -> Event:
        raise Unavailable("cannot write the journal: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full)
        status = server.go_on(60)
        assert status["state"] == "canary" and server.plane.table == table
        assert "the disk is full" in status["journal_problem"]
        with pytest.raises(Unavailable, match="disk is full"):
            server.handle.rollback("digits")
    status = server.go_on(600)
    assert (status["state"], status["journal_problem"]) == ("rolled back", "")


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        ({"to": 7}, NotFound, "no version 7 of digits to roll out"),
        ({"to": 1}, FailedPrecondition, "answers already"),
        ({"steps": [60, 120]}, InvalidArgument, "do not all lie above 0 and up to 50 %"),
        ({"guards": ["toxic=x2"]}, InvalidArgument, "nothing counts what guard toxic watches"),
        ({"stepz": [1]}, InvalidArgument, "unknown key 'stepz'"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(
    serving: Begin, plan: Mapping[str, object], error: type[Exception], said: str
) -> None:
    server = serving()
    with pytest.raises(error, match=said) as refused:
        server.controller.begin("digits", {"to": 2, **plan}, "ann", 0.0)
    assert refused.value.hint  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        server.controller.status("digits")


def test_a_plan_without_traffic_is_refused_with_what_would_work(serving: Begin) -> None:
    server = serving()
    with pytest.raises(FailedPrecondition, match="gets no requests") as refused:
        server.handle.rollout("digits", 2, measure="0s", wait_seconds=PATIENCE_SECONDS)
    assert refused.value.hint is not None and "send traffic first" in refused.value.hint
    assert server.plane.default("digits") == 1
    assert server.handle.status("digits")[0]["held"] == [2]


def test_a_look_that_fails_ends_nothing(
    serving: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serving()
    server.begin()
    with monkeypatch.context() as patch:
        patch.setattr(server.plane, "outcomes", lambda model: {"no": "document"})
        server.controller.look()
    assert "digits: a look at its rollout failed" in caplog.text
    assert server.go_on(120, until=("promoting", "live"))["step"] == 2


def test_a_route_that_the_data_plane_refuses_keeps_nothing_from_being_put_back(
    serving: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, publish = serving(), CountingPlane.publish

    def refusing(plane: CountingPlane, table: JsonObject) -> None:
        if any("arms" in entry.get("route", {}) and entry["route"]["arms"] for entry in table["models"].values()):
            raise InvalidArgument("an arm's name is not ASCII")
        publish(plane, table)

    monkeypatch.setattr(CountingPlane, "publish", refusing)
    server.begin()
    assert "refused a route, so none is in force: an arm's name is not ASCII" in caplog.text
    assert server.plane.serving("digits") == [1, 2] and server.plane.default("digits") == 1
    assert server.handle.rollback("digits", 1)["done"] and server.states()[2] != "LOADING"
    assert "route" not in server.plane.table["models"]["digits"]


def test_one_rollout_of_a_model_at_a_time(serving: Begin) -> None:
    server = serving()
    server.begin()
    with pytest.raises(FailedPrecondition, match="a rollout of version 2 of digits is under way .canary"):
        server.begin()
    server.controller.change("digits", "abort", "ann")
    server.controller.look()
    with pytest.raises(FailedPrecondition, match="no rollout of digits is under way"):
        server.controller.change("digits", "pause", "ann")


def test_where_versions_wait_nothing_is_taken_over_without_a_rollout(serving: Begin) -> None:
    server = serving(rollout="manual", versions=1)
    server.publish(2)
    assert server.handle.loop.wait_until(lambda models: 2 in models["digits"].whole(), PATIENCE_SECONDS)
    rows = {one["version"]: one for one in server.handle.status("digits")[0]["versions"]}
    assert rows[2]["note"] == "waits for a rollout: taxiway rollout start digits"
    assert server.plane.serving("digits") == [1]
    assert server.begin()["state"] == "canary"
    server.go_on(3600, until=("live",))
    server.stop()
    again = serving(rollout="manual")
    assert again.plane.default("digits") == 2
    again.publish(3)
    assert again.handle.loop.wait_until(lambda models: 3 in models["digits"].whole(), PATIENCE_SECONDS)
    assert again.plane.default("digits") == 2


def test_a_plan_in_the_settings_begins_by_itself_when_a_version_is_published(serving: Begin) -> None:
    plan = {"steps": [10, 50], "step_duration": "30s", "measure": "1m"}
    server = serving(rollout=plan, versions=1)
    server.controller.look()
    server.publish(2)
    assert server.handle.loop.wait_until(lambda models: 2 in models["digits"].whole(), PATIENCE_SECONDS)
    server.controller.look()
    status = server.go_on(3600, until=("live",))
    assert (status["state"], status["to"], status["who"]) == ("live", 2, "server")


def test_the_commands(serving: Begin, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    server = serving()
    where = ["--server", str(server.handle.start_admin())]

    def said(*arguments: str, code: int = 0) -> str:
        assert main([*arguments, *where]) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    (tmp_path / "plan.toml").write_text('model = "digits"\nto = 2\nsteps = [10, 50]\nstep_duration = "30s"\n')
    start = ["rollout", "start", "digits", "--plan", str(tmp_path / "plan.toml"), "--guard", "errors", "--wait", "0"]
    assert said(*start, "--measure", "1m").startswith("digits: version 1 to 2, ")
    server.controller.look()
    server.go_on(20, until=("canary",))
    server.go_on(10)
    shown = said("rollout", "status", "digits")
    assert "canary, step 1 of 2" in shown
    assert [line.split()[0] for line in shown.splitlines() if line][1:] == [
        "ARM", "canary", "control", "stable", "GUARD", "errors", "next:",
    ]  # fmt: skip
    assert json.loads(said("rollout", "status", "digits", "--json"))["steps"] == [10.0, 50.0]
    assert "paused" in said("rollout", "pause", "digits")
    assert "canary" in said("rollout", "resume", "digits")
    assert "SHARE" in said("status") and "90 %" in said("status", "digits")
    assert "promoting" in said("rollout", "promote", "digits")
    server.controller.look()
    assert said("rollout", "watch", "digits").startswith("digits: version 1 to 2, live")
    assert "rollout-started" in said("history") and "promoting: promote by hand" in said("history")
    assert "error: a rollout in the state live cannot pause" in said("rollout", "pause", "digits", code=1)
    assert "rolling back" in said("rollout", "abort", "digits")
    server.controller.look()
    assert said("rollout", "start", "digits", "--to", "2", "--steps", "80", code=2).startswith("error: the steps 80 %")


def test_what_the_rollout_before_was_told_is_not_taken_for_the_next_ones(
    serving: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving()
    server.begin()
    server.go_on(30)
    server.controller.change("digits", "abort", "ann")
    server.controller.look()
    before = server.plane.outcomes("digits")
    assert before is not None
    told = {**before, "arms": [{**arm, "judged": 9} for arm in before["arms"]]}
    monkeypatch.setattr(server.plane, "outcomes", lambda model: told)
    server.controller.begin("digits", {"to": 2, "goal": "revenue", "measure": "1h"}, "ann", 0.0)
    status = server.controller.status("digits")
    assert status["state"] in ("pending", "warming")
    assert "no feedback has come yet" in status["notes"][0]


def test_watch_prints_what_changes_and_ends_when_it_is_over(serving: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    server = serving(rates=bad)
    first = server.begin()
    follow([dict(first), dict(first), dict(server.go_on(600))], redraw=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0] == line_of(dict(first)) and "rolled back" in lines[1]


def test_the_admin_api_names_what_it_takes(serving: Begin) -> None:
    from taxiway.serve.admin import openapi

    paths = openapi()["paths"]
    assert {f"/api/v1/models/{{model}}:{verb}" for verb in ("rollout", "pause", "resume", "promote", "abort")} <= set(
        paths
    )
    assert "get" in paths["/api/v1/models/{model}/rollout"]


def test_an_experiment_by_command(serving: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    server = serving(rollout="manual", versions=1)
    where = ["--server", str(server.handle.start_admin())]
    for version in (2, 3):
        server.publish(version)
    assert server.handle.loop.wait_until(lambda models: {2, 3} <= models["digits"].whole(), PATIENCE_SECONDS)
    arms = ["--arm", "b=2:20", "--arm", "c=3:20", "--goal", "revenue", "--measure", "1m", "--wait", "0"]
    assert main(["rollout", "start", "digits", *arms, *where]) == 0
    server.controller.look()
    status = server.go_on(20, until=("canary",))
    assert [(arm["arm"], arm["version"], arm["share"]) for arm in status["arms"]] == [
        ("b", 2, 20.0),
        ("c", 3, 20.0),
        ("control", 1, 20.0),
        ("stable", 1, 40.0),
    ]
    assert server.plane.serving("digits") == [1, 2, 3]
    server.go_on(10)
    capsys.readouterr()
    assert main(["rollout", "status", "digits", *where]) == 0
    printed = capsys.readouterr().out
    assert "b errors" in printed and "version 2 (b) and 3 (c) beside 1, canary" in printed
    assert "goal revenue of b: not decided, not enough was told" in printed
    assert main(["rollout", "promote", "digits", *where]) == 2
    assert "hint: arms: b, c" in capsys.readouterr().err
    assert main(["rollout", "promote", "digits", "c", *where]) == 0
    assert server.handle.wait_default("digits", 3, PATIENCE_SECONDS)
    shares = {arm["arm"]: arm["share"] for arm in server.controller.status("digits")["arms"]}
    assert shares == {"b": 0, "c": 0, "control": 0, "stable": 100}


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        ({"stepz": [1]}, InvalidArgument, "unknown key 'stepz' in the rollout of digits in the settings"),
        ({"file": "nowhere.toml"}, NotFound, "no such file"),
    ],
)
def test_settings_without_a_plan_that_can_work_keep_a_server_from_starting(
    serving: Begin, plan: object, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        serving(rollout=plan, versions=1)
