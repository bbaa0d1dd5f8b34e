"""The loop against a fake data plane: no threads, no sleeps, time as a value."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from threading import Event

import pytest

from taxiway.errors import FailedPrecondition, Internal, NotFound, Unavailable
from taxiway.journal import Journal, MemoryJournal
from taxiway.serve.loop import Loop, Surroundings
from taxiway.serve.operate import Operator
from taxiway.serve.plan import Found
from taxiway.serve.source import Observation
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.settings.table import Policy
from taxiway.testing import FakeClock, FakeDataPlane, StepExecutor
from tests.waiting import PATIENCE_SECONDS


class World:
    """A loop and all it acts through, stepped by hand."""

    def __init__(self, journal: Journal | None = None, plane: FakeDataPlane | None = None) -> None:
        self.plane = plane or FakeDataPlane()
        self.clock = FakeClock()
        self.journal = journal or MemoryJournal()
        self.loads, self.unloads = StepExecutor(), StepExecutor()
        around = Surroundings(
            self.plane,
            self.journal,
            self.loads,
            self.unloads,
            lambda name, version, path, model: {"name": name, "version": version, "path": path},
            self.clock,
            lambda: 0.0,
        )
        settings = ServerSettings(load_attempts=3, history_versions=2)
        self.loop = Loop(around, settings)
        self.operator = Operator(self.loop, self.journal, self.clock)

    def want(self, **models: ModelSettings) -> None:
        self.loop.want(models)

    def see(self, model: str, *versions: int, waiting: tuple[int, ...] = (), problem: str = "") -> None:
        found = [Found(v, f"/{model}/{v}", "copying" if v in waiting else "") for v in sorted({*versions, *waiting})]
        self.loop.observe(model, Observation(tuple(found), problem))

    def settle(self) -> float | None:
        """Step until nothing is under way."""
        for _ in range(50):
            due = self.loop.step()
            if not self.loads.run_all() + self.unloads.run_all():
                return due
        pytest.fail("the loop does not come to rest")

    def states(self, model: str) -> dict[int, str]:
        return {v: record.state.value for v, record in sorted(self.loop.models[model].records.items())}


@pytest.fixture
def world() -> World:
    world = World()
    world.want(m=ModelSettings(keep_previous=0))
    return world


def test_a_new_version_takes_over_without_a_gap(world: World) -> None:
    world.see("m", 1)
    world.settle()
    assert world.plane.default("m") == 1
    before = len(world.plane.tables)
    world.see("m", 1, 2)
    world.settle()
    assert world.states("m") == {1: "END", 2: "AVAILABLE"}
    assert all(table["models"]["m"]["default"] for table in world.plane.tables[before:])
    swap = next(table["models"]["m"] for table in world.plane.tables if table["models"]["m"]["default"] == 2)
    assert swap["statuses"][0] == {"version": 2, "state": "AVAILABLE", "error_code": 0, "error_message": ""}
    assert world.plane.versions[1].released


def test_unloading_waits_for_its_own_requests_only(world: World) -> None:
    world.want(m=ModelSettings(keep_previous=0), n=ModelSettings(keep_previous=0))
    world.see("m", 1)
    world.see("n", 1)
    world.settle()
    world.see("m", 1, 2)
    world.loop.step()
    world.loads.run_all()
    world.loop.step()
    assert world.plane.default("m") == 2
    assert world.states("m")[1] == "UNLOADING"  # its release has not run: a request holds it
    world.see("n", 1, 2)
    world.loop.step()
    world.loads.run_all()
    world.loop.step()
    assert world.plane.default("n") == 2


def test_a_version_that_fails_changes_nothing_for_others(world: World) -> None:
    world.want(m=ModelSettings(keep_previous=0), n=ModelSettings())
    world.see("m", 1)
    world.see("n", 5)
    world.plane.fail["m", 2] = [Internal("broken")] * 9
    world.settle()
    world.see("m", 1, 2)
    due = world.settle()
    assert due == 1.0
    assert (world.plane.default("m"), world.plane.default("n")) == (1, 5)
    world.see("n", 5, 6)
    world.settle()
    assert world.plane.default("n") == 6
    for seconds in (1.0, 2.0):
        world.clock.advance(seconds)
        world.settle()
    assert len([spec for spec in world.plane.specs if spec["version"] == 2 and spec["name"] == "m"]) == 3
    statuses = world.plane.table["models"]["m"]["statuses"]
    assert statuses[0] == {"version": 2, "state": "END", "error_code": 13, "error_message": "broken"}
    assert world.plane.serving("m") == [1]


def test_a_load_that_fails_once_is_tried_again(world: World) -> None:
    world.plane.fail["m", 1] = [Unavailable("disk away")]
    world.see("m", 1)
    world.settle()
    assert world.plane.table["models"]["m"]["ready"] is False
    assert world.plane.table["models"]["m"]["reason"] == "version 1 failed to load: disk away"
    world.clock.advance(1.0)
    world.settle()
    assert world.plane.default("m") == 1
    assert world.plane.table["models"]["m"]["statuses"][0]["error_code"] == 0


def test_an_exception_of_no_kind_is_a_failed_load(world: World) -> None:
    world.plane.fail["m", 1] = [ValueError("surprise")]
    world.see("m", 1)
    world.settle()
    assert "ValueError: surprise" in world.plane.table["models"]["m"]["reason"]


def test_a_missing_directory_only_concerns_its_model(world: World) -> None:
    world.want(m=ModelSettings(), n=ModelSettings())
    world.see("m", problem="cannot read /m")
    world.see("n", 1)
    world.settle()
    assert world.plane.default("n") == 1
    assert world.plane.table["models"]["m"]["reason"] == "cannot read /m"
    assert world.plane.table["ready"] is True
    world.see("n", problem="cannot read /n")
    world.settle()
    assert world.plane.default("n") == 1


def test_readiness_waits_for_every_model_and_is_not_taken_back(world: World) -> None:
    world.want(m=ModelSettings(), n=ModelSettings())
    world.see("m", 1)
    world.settle()
    assert world.plane.table["ready"] is False
    world.see("n", 1)
    world.settle()
    assert world.plane.table["ready"] is True
    world.want(m=ModelSettings(), n=ModelSettings(), late=ModelSettings())
    world.settle()
    assert (world.plane.table["ready"], world.plane.table["models"]["late"]["ready"]) == (True, False)


def test_a_model_that_is_left_out_is_unloaded_and_forgotten(world: World) -> None:
    world.see("m", 1)
    world.settle()
    world.want(n=ModelSettings())
    world.settle()
    assert set(world.plane.table["models"]) == {"n"}
    assert all(version.released for version in world.plane.versions.values())


def test_ended_versions_are_listed_up_to_a_limit(world: World) -> None:
    for version in range(1, 7):
        world.see("m", version)
        world.settle()
        world.clock.advance(1.0)
    assert world.states("m") == {4: "END", 5: "END", 6: "AVAILABLE"}


def test_labels_point_to_what_serves() -> None:
    world = World()
    world.want(m=ModelSettings(versions=Policy(None, (1,)), labels={"stable": 1, "next": 2}))
    world.see("m", 1, 2)
    world.settle()
    # The list of versions is the operator's: what it leaves out is not found by a label either.
    assert world.plane.table["models"]["m"]["labels"] == {"stable": 1, "next": 2}
    assert world.states("m") == {1: "AVAILABLE"}
    assert world.plane.table["labels_used"] is True


def test_the_previous_version_stays_loaded_for_a_while() -> None:
    world = World()
    world.want(m=ModelSettings(keep_previous=1, keep_previous_seconds=60))
    for versions in ((1,), (1, 2), (1, 2, 3)):
        world.see("m", *versions)
        due = world.settle()
    assert world.plane.serving("m") == [2, 3]
    assert due == 60.0
    world.clock.advance(60.0)
    world.settle()
    assert world.plane.serving("m") == [3]


def stand_in(world: World) -> None:
    """Have this thread be the loop's, for who asks it."""

    def ask(question, timeout_seconds=30.0):  # type: ignore[no-untyped-def]
        return question()

    world.loop.ask = ask  # type: ignore[method-assign]

    def wait_until(check, timeout_seconds):  # type: ignore[no-untyped-def]
        world.settle()
        return check(world.loop.models)

    world.loop.wait_until = wait_until  # type: ignore[method-assign]


def rollback(world: World, to: int | None = None) -> None:
    """A rollback as the loop's thread sees it."""
    stand_in(world)
    world.operator.rollback("m", to, "test", 1.0)


def test_rollback_is_one_swap_when_the_version_is_still_loaded() -> None:
    world = World()
    world.want(m=ModelSettings())
    for versions in ((1,), (1, 2)):
        world.see("m", *versions)
        world.settle()
    loads, tables = len(world.plane.specs), len(world.plane.tables)
    rollback(world)
    assert world.plane.default("m") == 1
    assert (len(world.plane.specs), len(world.plane.tables)) == (loads, tables + 1)
    assert world.journal.read()[-1].data == {"from": 2, "to": 1, "above": 2}
    world.see("m", 1, 2)
    world.settle()
    assert world.plane.default("m") == 1, "the held version came back"
    world.see("m", 1, 2, 3)
    world.settle()
    assert world.plane.default("m") == 3


def test_rollback_loads_what_is_gone_while_the_current_one_serves(world: World) -> None:
    for versions in ((1,), (1, 2)):
        world.see("m", *versions)
        world.settle()
    tables = len(world.plane.tables)
    rollback(world)
    assert world.plane.default("m") == 1
    assert world.plane.tables[tables]["models"]["m"]["default"] == 2
    # What an operator waits for is not loaded at leisure.
    assert [spec["urgent"] for spec in world.plane.specs] == [False, False, True]
    assert all(t["models"]["m"]["default"] for t in world.plane.tables[tables:])


def test_a_rollback_that_cannot_be_loaded_says_so_and_changes_nothing(world: World) -> None:
    for versions in ((1,), (1, 2)):
        world.see("m", *versions)
        world.settle()
    world.plane.fail["m", 1] = [Internal("gone bad")] * 9
    with pytest.raises(Unavailable, match="gone bad"):
        rollback(world)
    assert world.plane.default("m") == 2


@pytest.mark.parametrize(("to", "error"), [(None, FailedPrecondition), (1, FailedPrecondition), (7, NotFound)])
def test_rollbacks_that_cannot_be(to: int | None, error: type[Exception]) -> None:
    world = World()
    world.want(m=ModelSettings())
    world.see("m", 1)
    world.settle()
    with pytest.raises(error):
        rollback(world, to)
    assert world.journal.read() == []


def test_a_restart_comes_back_to_the_same_table() -> None:
    world = World()
    world.want(m=ModelSettings())
    for versions in ((1,), (1, 2)):
        world.see("m", *versions)
        world.settle()
    rollback(world)
    again = World(journal=world.journal)
    again.want(m=ModelSettings())
    again.see("m", 1, 2)
    again.settle()
    assert (again.plane.default("m"), again.plane.serving("m")) == (1, [1])


def test_the_thread_wakes_for_what_arrives(tmp_path: Path) -> None:
    """The real thread, woken by events alone: the clock's longest wait is without end."""
    world = World()
    world.loop.start()
    try:
        world.want(m=ModelSettings())
        world.see("m", 1)
        assert world.loop.wait_until(lambda models: bool(world.loads.waiting), PATIENCE_SECONDS)
        world.loads.run_all()
        assert world.loop.wait_until(lambda models: models["m"].default == 1, PATIENCE_SECONDS)
        assert world.loop.status("m")[0]["default"] == 1
    finally:
        world.loop.stop()
    with pytest.raises(Unavailable):
        world.loop.status()


def test_what_was_given_up_before_it_began_is_not_done_later(world: World) -> None:
    done: list[str] = []
    with pytest.raises(Unavailable, match="nothing was done"):
        world.loop.ask(lambda: done.append("late"), timeout_seconds=0.01)
    world.loop.step()
    assert done == []


def test_what_has_begun_when_it_is_given_up_is_said_to_be_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, began, go_on = World().loop, Event(), Event()

    class Begun(Future[bool]):
        """An answer whose time counts from when the loop's thread has begun, however busy the machine is."""

        def result(self, timeout: float | None = None) -> bool:
            assert began.wait(PATIENCE_SECONDS)
            return super().result(timeout)

    def question() -> bool:
        began.set()
        return go_on.wait(PATIENCE_SECONDS)

    monkeypatch.setattr("taxiway.serve.inbox.Future", Begun)
    loop.start()
    try:
        with pytest.raises(Unavailable, match="is under way"):
            loop.ask(question, timeout_seconds=0.05)
        go_on.set()
    finally:
        loop.stop()
