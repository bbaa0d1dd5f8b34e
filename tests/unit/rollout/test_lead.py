"""Of servers that share a journal one judges a rollout, and another one when that one is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.journal import BEAT, NOBODY, Event, ModelState, Rollout, apply
from taxiway.rollout.lead import Leadership
from tests.postgres import Cluster, cluster, patient_journals
from tests.unit.rollout.serving import Server
from tests.unit.rollout.simulated import GOOD, Rates, alike
from tests.waiting import PATIENCE_SECONDS, eventually

# So long that a leader of a busy machine is not taken for gone; the tests set the clock forward instead of waiting.
TAKEOVER_SECONDS = 60
STARTED = {"rollout": "r", "from": 1, "to": 2, "above": 2, "plan": {}, "salt": "s", "wish": None, "server": "a"}


def canary(**changes: object) -> Rollout:
    state = apply(ModelState(), Event("rollout-started", "m", "ann", 0.0, STARTED, 1))
    assert state.rollout is not None
    return replace(state.rollout, **{"state": "canary", **changes})  # type: ignore[arg-type]


def test_who_leads_says_so_three_times_as_often_as_its_silence_is_waited_for() -> None:
    lead = Leadership("a", 15.0)
    said = [now for now in range(60) if lead.due("m", canary(beat_id=9), serves=True, now=float(now), since=0.0)]
    assert said == list(range(0, 60, 5))
    entry = lead.due("m", canary(beat_id=9), serves=True, now=60.0, since=0.0)
    assert entry is not None and (entry.kind, entry.replaces) == (BEAT, 9)


@pytest.mark.parametrize(
    ("leader", "serves", "seconds"),
    [("a", True, 15), ("a", False, 60), (NOBODY, True, 0), (NOBODY, False, 60), ("b", True, None), ("", True, None)],
)
def test_another_leads_when_the_one_that_did_is_silent_for_long(leader: str, serves: bool, seconds: int | None) -> None:
    lead = Leadership("b", 15.0)
    entries = (
        (now, lead.due("m", canary(leader=leader), serves=serves, now=float(now), since=0.0)) for now in range(90)
    )
    found = next((pair for pair in entries if pair[1] is not None and pair[1].kind == "rollout-led"), None)
    assert (None if found is None else found[0]) == seconds
    if found is not None and found[1] is not None:
        assert found[1].data == {"rollout": "r", "server": "b", "after": leader, "crashed": leader == "a"}


def test_silence_is_counted_from_the_last_beat_and_while_the_journal_can_be_read() -> None:
    lead = Leadership("b", 15.0)
    for now in range(0, 100, 5):
        assert lead.due("m", canary(beat_id=now), serves=True, now=float(now), since=0.0) is None
    last = canary(beat_id=95)
    assert lead.due("m", last, serves=True, now=109.0, since=0.0) is None
    assert lead.due("m", last, serves=True, now=500.0, since=None) is None
    assert lead.due("m", last, serves=True, now=514.0, since=500.0) is None
    assert lead.due("m", last, serves=True, now=515.0, since=500.0) is not None


def test_a_leader_that_was_killed_and_came_back_is_not_taken_for_gone() -> None:
    lead = Leadership("b", 15.0)
    assert lead.due("m", canary(beat_id=5), serves=True, now=0.0, since=0.0) is None
    assert lead.due("m", canary(beat_id=5, crashes=1), serves=True, now=14.0, since=0.0) is None
    assert lead.due("m", canary(beat_id=5, crashes=1), serves=True, now=20.0, since=0.0) is None


def test_what_takes_no_judging_is_for_whoever_comes_first() -> None:
    lead = Leadership("b", 15.0)
    assert not lead.may_act(canary())
    assert lead.may_act(canary(leader="b")) and lead.may_act(canary(leader=""))
    assert lead.may_act(canary(state="rolling back")) and lead.may_act(canary(crashes=3))
    assert not lead.may_act(canary(crashes=3, plan={"max_crashes": 4}))


def event(kind: str, **data: object) -> Event:
    return Event(kind, "m", "rollout", 1.0, {"rollout": "r", **data}, 7)


def test_a_leader_that_leaves_in_order_is_nobodys_crash_and_a_silent_one_is() -> None:
    state = apply(ModelState(), Event("rollout-started", "m", "ann", 0.0, STARTED, 1))
    beaten = apply(state, event(BEAT, server="a")).rollout
    assert beaten is not None and beaten.beat_id == 7
    assert apply(state, event(BEAT, server="b")).rollout == state.rollout
    left = apply(state, event("rollout-left", server="a"))
    assert left.rollout is not None and (left.rollout.leader, left.rollout.serving) == (NOBODY, frozenset())
    for before, crashed in ((left, False), (state, True)):
        after = apply(before, event("rollout-led", server="b", after="a", crashed=crashed, seen={"epoch": "e b"}))
        assert after.rollout is not None
        assert (after.rollout.leader, after.rollout.crashes, after.rollout.serving) == ("b", int(crashed), frozenset())
        assert after.rollout.seen == {"epoch": "e b"}


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster() as one:
        yield one


@pytest.fixture
def state(database: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    patient_journals(monkeypatch)
    return database.own_url()


class Servers:
    """Servers of one model with one journal in a database."""

    def __init__(self, root: Path, state: str) -> None:
        self.root, self.state, self.running = root, state, list[Server]()

    def __call__(self, name: str, rates: Rates = alike) -> Server:
        more = {"state": self.state, "server_name": name, "takeover_seconds": TAKEOVER_SECONDS}
        server = Server(self.root, rates, rollout="manual", versions=1 if not self.running else 2, server=more)
        self.running.append(server)
        return server


@pytest.fixture
def servers(tmp_path: Path, state: str) -> Iterator[Servers]:
    made = Servers(tmp_path, state)
    yield made
    for server in made.running:
        server.stop()


def bad(arm: str, version: int) -> Mapping[str, float]:
    return {**GOOD, "errors": 0.3 if version == 2 else 0.01}


def two(servers: Servers, rates: Rates = alike) -> tuple[Server, Server]:
    """One that began a canary, which it saw nothing of, and another that serves it too."""
    first = servers("pod-a", rates)
    second = servers("pod-b", rates)
    first.publish(2)
    for server in (first, second):
        assert server.handle.loop.wait_until(lambda models: 2 in models["digits"].whole(), PATIENCE_SECONDS)
    first.begin()
    assert second.handle.loop.wait_until(lambda models: set(models["digits"].serving()) == {1, 2}, PATIENCE_SECONDS)
    second.clock.skipped = first.clock.skipped
    return first, second


def leader(server: Server) -> str:
    server.controller.look()
    return str(server.controller.status("digits")["leader"])


def leader_after_silence(server: Server) -> str:
    """Who leads for ``server`` when so long nothing was heard."""
    server.clock.passed += TAKEOVER_SECONDS + 1
    return leader(server)


def test_a_server_of_another_name_judges_on_when_the_one_that_began_a_rollout_is_gone(servers: Servers) -> None:
    first, second = two(servers, bad)
    second.plane.ask("digits", 4000)
    assert second.go_on(60)["state"] == "canary", "whoever does not lead does not judge"
    first.crash()
    assert leader(second) == "pod-a"
    eventually(lambda: leader_after_silence(second) == "pod-b")
    status = second.controller.status("digits")
    assert (status["crashes"], status["state"]) == (1, "canary")
    counted = {arm["arm"]: arm["answered"] for arm in status["arms"]}
    assert counted["canary"] == 0, "what it counted while another judged is not added"
    assert second.go_on(600)["state"] == "rolled back"
    third = servers("pod-c")
    assert third.controller.status("digits")["state"] == "rolled back"
    kinds = [one["kind"] for one in third.handle.operator.history(1000)]
    assert kinds.count("rollout-led") == 1 and BEAT not in kinds


def test_a_server_that_stops_in_order_hands_over_at_once_and_a_good_version_is_promoted(servers: Servers) -> None:
    first, second = two(servers)
    first.stop()
    eventually(lambda: leader(second) == "pod-b")
    assert second.controller.status("digits")["crashes"] == 0
    assert second.go_on(7200, until=("live",))["state"] == "live"


def test_an_abort_is_finished_by_any_server_and_nobody_leads_beside_the_leader(servers: Servers) -> None:
    first, second = two(servers)
    with pytest.raises(FailedPrecondition, match="is under way"):
        second.controller.begin("digits", {"to": 2}, "bob", 0.0)
    first.controller.look = lambda: None  # type: ignore[method-assign]
    second.controller.change("digits", "abort", "bob")
    assert eventually(lambda: second.go_on(5))["state"] == "rolled back"
    eventually(lambda: first.handle.status("digits")[0]["default"] == 1)


def test_who_stood_still_finds_another_in_its_place_and_takes_nothing_back(servers: Servers) -> None:
    first, second = two(servers, bad)
    following = first.handle._following
    assert following is not None
    following.stop()  # it reads nothing of the others, as a process that is stopped does not
    look, first.controller.look = first.controller.look, lambda: None  # type: ignore[method-assign]
    eventually(lambda: leader_after_silence(second) == "pod-b")
    events = len(second.handle.operator.history(1000))
    first.go_on(60)
    first.plane.ask("digits", 5000)
    look()
    assert len(second.handle.operator.history(1000)) == events
    assert first.controller.status("digits")["leader"] == "pod-a", "it knows of nothing yet"
    first.handle.loop.decide(lambda: None)
    assert first.controller.status("digits")["leader"] == "pod-b"


def test_of_two_that_would_take_over_at_once_one_does(servers: Servers) -> None:
    first, second = two(servers)
    third = servers("pod-c")
    assert third.handle.loop.wait_until(lambda models: set(models["digits"].serving()) == {1, 2}, PATIENCE_SECONDS)
    third.clock.skipped = first.clock.skipped
    first.stop()
    eventually(lambda: leader(second) == leader(third) in ("pod-b", "pod-c"))
    led = [one["data"]["server"] for one in third.handle.operator.history(1000) if one["kind"] == "rollout-led"]
    assert led in (["pod-b"], ["pod-c"]) and leader(second) == led[0]
