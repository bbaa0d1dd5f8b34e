"""Servers with one journal follow each other's decisions while they run; one of them judges a rollout."""

from __future__ import annotations

import logging

import pytest

from taxiway.errors import Aborted, Unavailable
from taxiway.journal import Event, MemoryJournal
from taxiway.serve.following import Following
from taxiway.settings import ModelSettings
from tests.unit.serve.test_loop import World, rollback, stand_in


class Two:
    """Two servers of one model, with versions 1 and 2, and one journal."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.worlds = [self._world() for _ in range(2)]
        self.following = [Following(one.loop, self.journal, one.clock) for one in self.worlds]

    def _world(self) -> World:
        world = World(journal=self.journal)
        world.want(m=ModelSettings(keep_previous=0))
        for versions in ((1,), (1, 2)):
            world.see("m", *versions)
            world.settle()
        return world

    def look(self) -> list[int | None]:
        """Each follows; the version that answers on each."""
        for world, following in zip(self.worlds, self.following, strict=True):
            following.look()
            world.settle()
        return [world.plane.default("m") for world in self.worlds]


def test_a_rollback_on_one_server_is_followed_by_another_that_runs() -> None:
    two = Two()
    assert two.look() == [2, 2]
    rollback(two.worlds[0])
    assert two.look() == [1, 1]
    assert two.worlds[1].loop.models["m"].state == two.worlds[0].loop.models["m"].state
    two.worlds[1].loop.record(two.worlds[1].loop.models["m"], Event("release", "m", "ann", 0.0, {"version": None}))
    assert two.look() == [2, 2]


def test_a_change_that_another_server_forestalls_is_made_of_what_that_one_left() -> None:
    two = Two()
    first, second = two.worlds
    rollback(first)
    with pytest.raises(Aborted, match="another server changed m at the same moment"):
        second.loop.record(second.loop.models["m"], Event("hold", "m", "ann", 0.0, {"version": 7}))
    assert second.loop.models["m"].state.held == set() and second.loop.journal_problem == ""
    stand_in(second)
    second.operator.hold("m", 7, "ann")
    assert second.loop.models["m"].state.held == {2, 7}
    assert two.look() == [1, 1]
    assert [world.loop.models["m"].state.held for world in two.worlds] == [{2, 7}, {2, 7}]


def test_a_decision_is_made_anew_when_another_server_is_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    two = Two()
    second = two.worlds[1]
    read, quicker = two.following[1].read, [7, 8]

    def late() -> object:
        news = read()
        if quicker:
            two.journal.append(Event("hold", "m", "bob", 0.0, {"version": quicker.pop()}))
        return news

    monkeypatch.setattr(two.following[1], "read", late)
    rollback(second)
    assert second.loop.models["m"].state.held == {2, 7, 8}
    quicker += [1] * 99
    with pytest.raises(Aborted):
        second.operator.hold("m", 9, "ann")


def test_what_was_appended_between_the_start_and_the_first_look_is_followed() -> None:
    two = Two()
    rollback(two.worlds[0])
    late = Following(two.worlds[1].loop, two.journal, two.worlds[1].clock)
    late.look()
    two.worlds[1].settle()
    assert two.worlds[1].plane.default("m") == 1


def test_what_a_server_changed_later_than_what_it_reads_is_not_taken_back() -> None:
    two = Two()
    second = two.worlds[1]
    news = two.following[1].read()
    rollback(second)
    second.loop.post(lambda: second.loop.take_over(*news))  # type: ignore[misc]
    second.settle()
    assert second.plane.default("m") == 1


def test_a_journal_that_cannot_be_read_is_followed_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two = Two()
    rollback(two.worlds[0])

    def away(after: int = 0) -> list[Event]:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(two.journal, "read", away)
        assert two.look() == two.look() == [1, 2]
    assert [record.message for record in caplog.records].count(
        "What other servers decide is not followed: the database is away"
    ) == 2
    assert two.look() == [1, 1]
