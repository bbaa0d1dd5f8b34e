"""What people do with a running server from Python: functions over its admin API, and the same on its handle."""

from __future__ import annotations

from pathlib import Path

import pytest

import taxiway
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, Unauthenticated, Unavailable
from taxiway.testing.clock import FakeClock
from tests.unit.rollout.serving import Begin, Server
from tests.waiting import PATIENCE_SECONDS, free_port


@pytest.fixture
def server(serving: Begin, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose address is the one that is meant when none is said."""
    found = serving()
    monkeypatch.setenv("TAXIWAY_SERVER", str(found.handle.start_admin()))
    return found


def test_a_rollout_from_its_start_to_its_end(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('model = "digits"\nto = 7\nsteps = [10, 50]\nmeasure = "1m"\nstep_duration = "30s"\n')
    with pytest.raises(NotFound, match="no version 7"):
        taxiway.rollout.start("digits", file=file)
    begun = taxiway.rollout.start("digits", 2, file=file, steps=[25], wait_seconds=0, who="ann")
    assert (begun["from"], begun["to"], begun["steps"], begun["state"]) == (1, 2, [25], "pending")
    server.go_on(60, until=("canary",))
    assert taxiway.rollout.pause("digits")["state"] == "paused"
    assert taxiway.rollout.resume("digits")["state"] == "canary"
    looks = taxiway.rollout.watch("digits", clock=FakeClock())
    assert next(looks)["state"] == "canary"
    assert taxiway.rollout.abort("digits", who="bob")["state"] == "rolling back"
    server.controller.look()
    assert [one["state"] for one in looks] == ["rolled back"]
    assert taxiway.rollout.status("digits")["rule"] == "BY_HAND"
    who = {event["who"].split(" from ")[0] for event in taxiway.history("digits", limit=50)}
    assert {"ann", "bob"} <= who


def test_a_budget_beside_a_file_replaces_its_steps(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('steps = [1, 50]\nmeasure = "1m"\nmax_duration = "10h"\nstep_duration = "1m"\n')
    taxiway.rollout.start("digits", 2, file=file, at_most_affected=40, wait_seconds=0)
    server.controller.look()
    assert server.go_on(60, until=("canary",))["affected_at_most"] <= 40
    assert server.controller.status("digits")["steps"] == [10, 50]


def test_promotion_is_said_too(server: Server) -> None:
    server.begin()
    assert taxiway.rollout.promote("digits")["state"] == "promoting"


def test_what_operators_do_without_a_rollout(server: Server) -> None:
    assert [one["name"] for one in taxiway.status()] == ["digits"]
    [one] = taxiway.status("digits")
    assert (one["default"], one["held"]) == (1, [2])
    assert taxiway.release("digits", 2)["held"] == []
    assert server.handle.wait_default("digits", 2, PATIENCE_SECONDS)
    done = taxiway.rollback("digits")
    assert (done["from"], done["to"], done["done"]) == (2, 1, True)
    assert taxiway.hold("digits", 3)["held"] == [2, 3]
    assert [event["kind"] for event in taxiway.history(limit=3)] == ["hold", "rollback", "release"]


def test_the_handle_has_the_same(server: Server) -> None:
    handle = server.handle
    begun = handle.rollout.start("digits", 2, measure="1m", wait_seconds=0)
    assert begun["state"] == "pending" and next(handle.rollout.watch("digits"))["state"] == "pending"
    server.go_on(60, until=("canary",))
    assert handle.rollout.pause("digits")["state"] == "paused"
    assert handle.rollout.resume("digits")["state"] == "canary"
    assert handle.rollout.promote("digits")["state"] == "promoting"
    assert handle.rollout.abort("digits")["state"] == "rolling back"
    assert handle.hold("digits", 3)["held"] == [2, 3] and handle.release("digits", 3)["held"] == [2]
    assert handle.history(limit=1) == taxiway.history(limit=1)
    assert handle.rollout.status("digits")["rollout"] == begun["rollout"]


def test_what_goes_wrong_is_raised_with_what_would_work(server: Server, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such model: nine"):
        taxiway.status("nine")
    with pytest.raises(NotFound, match="has had no rollout"):
        taxiway.rollout.status("digits")
    with pytest.raises(FailedPrecondition, match="no rollout of digits is under way") as refused:
        taxiway.rollout.pause("digits")
    assert refused.value.hint == "taxiway rollout start digits"
    with pytest.raises(InvalidArgument, match="unknown key 'stepz'"):
        taxiway.rollout.start("digits", 2, stepz=[10])
    with pytest.raises(Unavailable, match="no admin API answers"):
        taxiway.history(server=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InvalidArgument, match="not a server's address"):
        taxiway.hold("digits", 2, server="grpc://127.0.0.1:8500")
    file = tmp_path / "plan.toml"
    file.write_text('model = "others"\n')
    with pytest.raises(FailedPrecondition, match="is a plan for others, not for digits"):
        taxiway.rollout.start("digits", file=file)


def test_a_token_may_be_handed_over(serving: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXIWAY_TOKEN", "secret")
    url = serving().handle.start_admin()
    monkeypatch.delenv("TAXIWAY_TOKEN")
    with pytest.raises(Unauthenticated):
        taxiway.status(server=url)
    assert taxiway.status(server=url, token="secret")[0]["name"] == "digits"
