"""A start from a snapshot comes to the same state as a replay of everything, whatever happened and whenever it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.errors import Unavailable
from taxiway.journal import Event, MemoryJournal, ModelState, load, replay, snapshot
from taxiway.journal.event import SNAPSHOT
from taxiway.journal.sqlite import SqliteJournal

VERSION = st.integers(1, 4)
ROUTE = {"experiment": "r", "arms": [{"name": "canary", "version": 2, "share_ppm": 10}]}
WISH = st.none() | st.builds(
    lambda default, versions, above: {"default": default, "versions": versions, "above": above, "route": ROUTE},
    st.none() | VERSION, st.lists(VERSION, unique=True), st.none() | VERSION,
)  # fmt: skip


def _of(kind: str, **data: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.builds(
        lambda model, at, data: Event(kind, model, "t", at, data),
        st.sampled_from("mn"), st.floats(0, 1e9), st.fixed_dictionaries(data),
    )  # fmt: skip


RUN = st.sampled_from(["r1", "r2"])
SERVER = st.sampled_from(["", "a:8501"])
FOUND = {"rule": st.sampled_from(["", "HARM"]), "because": st.just("errors"), "seen": st.just({"total": {"a": 1.5}})}
EVENTS = st.lists(
    st.one_of(
        _of("rollback", **{"from": st.none() | VERSION, "to": VERSION, "above": VERSION}),
        _of("hold", version=VERSION),
        _of("release", version=st.none() | VERSION),
        _of("adopt", version=st.none() | VERSION),
        _of(
            "rollout-started",
            **{"rollout": RUN, "from": VERSION, "to": VERSION, "above": VERSION, "server": SERVER},
            plan=st.just({"steps": [1.0]}), salt=st.just("s"), wish=WISH,
        ),
        _of(
            "rollout-changed",
            rollout=RUN, state=st.sampled_from(["canary", "live"]), step=VERSION, wish=WISH, **FOUND,
            hold=st.none() | st.lists(VERSION), live=st.none() | VERSION,
            pin=st.none() | st.builds(lambda a, b: {"version": min(a, b), "above": max(a, b)}, VERSION, VERSION),
        ),
        _of("rollout-look", rollout=RUN, since=st.floats(0, 1e9), **FOUND),
        *(_of(f"rollout-{what}", rollout=RUN, server=SERVER) for what in ("joined", "left", "crashed")),
        _of("rollout-closed", rollout=RUN, because=st.just("the window is over")),
        _of("from-the-future", what=VERSION),
    ),
    max_size=30,
)  # fmt: skip


@settings(deadline=None)
@given(EVENTS, st.lists(st.integers(0, 30), max_size=3))
def test_a_snapshot_and_the_rest_come_to_what_everything_comes_to(events: list[Event], cuts: list[int]) -> None:
    journal = SqliteJournal(":memory:")
    for number, event in enumerate(events):
        if number in cuts:
            load(journal, 1.0, between=1)
        journal.append(event)
    everything = replay(journal.read())
    assert load(journal, 2.0, between=1) == everything
    assert load(journal, 3.0) == everything
    assert replay(journal.read()) == everything
    journal.close()


@settings(deadline=None, max_examples=30)
@given(EVENTS)
def test_an_event_that_came_before_its_snapshot_was_kept_counts(events: list[Event]) -> None:
    """As when another server appends between the reading and the keeping."""
    journal = MemoryJournal()
    kept = [journal.append(event) for event in events]
    half = len(kept) // 2
    if half:
        journal.append(snapshot(replay(kept[:half]), kept[half - 1].id, 1.0))
    assert load(journal, 2.0) == replay(kept)


def _holds(journal: MemoryJournal | SqliteJournal, count: int) -> None:
    for version in range(count):
        journal.append(Event("hold", "m", "t", 0.0, {"version": version}))


def test_a_start_reads_no_more_than_what_came_since_the_snapshot(tmp_path: Path) -> None:
    read: list[int] = []

    class Watched(SqliteJournal):
        def read(self, after: int = 0) -> list[Event]:
            read.append(after)
            return super().read(after)

    journal = Watched(tmp_path / "journal.db")
    _holds(journal, 600)
    first = load(journal, 1.0)
    _holds(journal, 3)
    assert load(journal, 2.0) == first == {"m": ModelState(frozenset(range(600)))}
    assert read == [0, 600]
    assert len([event for event in journal.read() if event.kind == SNAPSHOT]) == 1
    journal.close()


def test_a_snapshot_of_another_form_is_passed_over() -> None:
    journal = MemoryJournal()
    _holds(journal, 2)
    journal.append(Event(SNAPSHOT, "", "server", 1.0, {"form": "2-of-later", "up_to": 2, "models": {"m": "unknown"}}))
    assert load(journal, 2.0) == {"m": ModelState(frozenset({0, 1}))}


def test_a_journal_that_cannot_be_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    _holds(journal, 3)

    def full(event: Event, replaces: int = 0, after: int | None = None) -> Event:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(journal, "append", full)
    assert load(journal, 1.0, between=1) == {"m": ModelState(frozenset({0, 1, 2}))}
