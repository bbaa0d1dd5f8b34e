"""Journals keep the contract; replay is a fold; a crash loses nothing that was answered."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.errors import FailedPrecondition, Unavailable
from taxiway.journal import Event, Journal, MemoryJournal, ModelState, Pin, apply, load, replay
from taxiway.journal.sqlite import SqliteJournal
from taxiway.testing.journal import JournalContract


class TestMemory(JournalContract):
    @pytest.fixture
    def journal(self) -> Journal:
        return MemoryJournal()


class TestSqlite(JournalContract):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        journal = SqliteJournal(tmp_path / "state" / "journal.db")
        yield journal
        journal.close()


def event(kind: str, **data: object) -> Event:
    return Event(kind, "m", "test", 0.0, data)


@pytest.mark.parametrize(
    ("before", "happens", "after"),
    [
        (ModelState(), event("rollback", **{"from": 3, "to": 2, "above": 3}), ModelState(frozenset({3}), Pin(2, 3))),
        (
            ModelState(frozenset({3}), Pin(2, 3)),
            event("rollback", **{"from": 2, "to": 3, "above": 3}),
            ModelState(frozenset({2}), Pin(3, 3)),
        ),
        (
            ModelState(),
            event("rollback", **{"from": None, "to": 2, "above": 2}),
            ModelState(frozenset(), Pin(2, 2)),
        ),
        (ModelState(), event("hold", version=4), ModelState(frozenset({4}))),
        (ModelState(frozenset({3}), Pin(2, 3)), event("hold", version=2), ModelState(frozenset({2, 3}))),
        (ModelState(frozenset({3, 4}), Pin(2, 4)), event("release", version=4), ModelState(frozenset({3}), Pin(2, 4))),
        (ModelState(frozenset({3}), Pin(2, 3)), event("release", version=3), ModelState()),
        (ModelState(frozenset({3, 4}), Pin(2, 4)), event("release", version=None), ModelState()),
        (ModelState(frozenset({3})), event("from-the-future", what=1), ModelState(frozenset({3}))),
    ],
)
def test_each_kind(before: ModelState, happens: Event, after: ModelState) -> None:
    assert apply(before, happens) == after


VERSION = st.integers(1, 5)
EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda a, b, c, m: Event("rollback", m, "t", 0.0, {"from": a, "to": b, "above": c}),
            VERSION, VERSION, VERSION, st.sampled_from("mn"),
        ),
        st.builds(lambda v, m: Event("hold", m, "t", 0.0, {"version": v}), VERSION, st.sampled_from("mn")),
        st.builds(
            lambda v, m: Event("release", m, "t", 0.0, {"version": v}), st.none() | VERSION, st.sampled_from("mn")
        ),
    )
)  # fmt: skip


@settings(deadline=None)
@given(EVENTS, st.integers(0, 20))
def test_replay_is_a_fold_and_models_are_apart(events: list[Event], cut: int) -> None:
    states = replay(events[:cut])
    for one in events[cut:]:
        states[one.model] = apply(states.get(one.model, ModelState()), one)
    assert states == replay(events)
    assert replay([one for one in events if one.model == "m"]).get("m") == states.get("m")
    assert all(state.pin is None or state.pin.version not in state.held for state in states.values())


def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """A process appends and says so, event by event, until it is killed in the middle."""
    code = (
        "import itertools, sys\n"
        "from taxiway.journal import Event\n"
        "from taxiway.journal.sqlite import SqliteJournal\n"
        "journal = SqliteJournal(sys.argv[1])\n"
        "for n in itertools.count(1):\n"
        "    print(journal.append(Event('hold', 'm', 'child', 0.0, {'version': n})).id, flush=True)\n"
    )
    file = tmp_path / "journal.db"
    child = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        answered = [int(child.stdout.readline()) for _ in range(25)]
        os.kill(child.pid, signal.SIGKILL)
        answered += [int(line) for line in child.stdout if line.endswith("\n")]
    journal = SqliteJournal(file)
    kept = [one.id for one in journal.read()]
    assert kept[: len(answered)] == answered == list(range(1, len(answered) + 1))
    assert replay(journal.read())["m"].held == frozenset(kept)
    assert journal.append(event("hold", version=0)).id == len(kept) + 1
    journal.close()


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(FailedPrecondition, match="newer"):
        SqliteJournal(tmp_path / "j.db")


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"this is a text, and a long enough one to be no database" * 20)
    with pytest.raises(FailedPrecondition, match="cannot open"):
        SqliteJournal(tmp_path / "j.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        SqliteJournal(tmp_path / "file" / "j.db")


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.close()
    with pytest.raises(Unavailable, match="closed"):
        journal.append(event("hold", version=1))


KEPT = Path(__file__).parent / "kept"


@pytest.mark.parametrize("file", sorted(KEPT.glob("*.db")), ids=lambda file: file.stem)
def test_journals_of_earlier_versions_are_replayed_for_ever(file: Path, tmp_path: Path) -> None:
    """A file is never changed once it is here; a new kind, or a new shape of one, gets a new file."""
    shutil.copy(file, tmp_path / file.name)
    journal = SqliteJournal(tmp_path / file.name)
    states = replay(journal.read())
    assert load(journal, 0.0) == states
    journal.close()
    assert states["by-hand"] == ModelState(frozenset({4}), live=1)
    back, live, going = (states[name] for name in ("rolled-back", "live", "under-way"))
    assert (back.held, back.pin, back.wish) == (frozenset({2}), Pin(1, 2), None)
    assert back.rollout is not None and back.rollout.state == "rolled back" and back.rollout.over
    assert live.wish is not None and (live.wish.default, live.wish.versions) == (None, frozenset({1, 2}))
    assert live.rollout is not None and live.rollout.state == "live"
    assert going.wish is not None and going.wish.default == 1 and going.wish.route is not None
    assert [(arm["name"], arm["version"], arm["share_ppm"]) for arm in going.wish.route["arms"]] == [
        ("canary", 2, 100_000),
        ("control", 1, 100_000),
    ]
    if file.stem == "journal-1":
        return
    if file.stem == "journal-3":
        handed = states["handed-over"].rollout
        assert handed is not None and (handed.leader, handed.crashes, handed.serving) == ("b", 1, frozenset({"b"}))
        assert handed.seen["split_before"] == 1 and handed.beat_id == 49
    crashing = states["crashing"].rollout
    assert crashing is not None and (crashing.state, crashing.crashes) == ("canary", 2)
    assert crashing.serving == {"", "b:8501:8500"} and crashing.seen["total"]["canary.answered"] > 0


def test_what_is_about_an_earlier_rollout_changes_nothing() -> None:
    begun = {"rollout": "r2", "from": 1, "to": 3, "above": 3, "plan": {}, "salt": "s", "wish": None}
    state = apply(ModelState(frozenset({3})), event("rollout-started", **begun))
    assert state.held == set() and state.rollout is not None
    late = event("rollout-changed", rollout="r1", state="failed", step=0, change="UNABLE", hold=2, wish=None)
    assert apply(state, late) == state
    assert apply(ModelState(), late) == ModelState()


@pytest.mark.parametrize("kind", ["rollback", "hold"])
def test_a_rollback_or_a_hold_by_hand_ends_the_rollout(kind: str) -> None:
    wish = {"default": 1, "versions": [1, 2], "above": 2, "route": None}
    begun = {"rollout": "r1", "from": 1, "to": 2, "above": 2, "plan": {}, "salt": "s", "wish": wish}
    state = apply(ModelState(), event("rollout-started", **begun))
    assert state.wish is not None and state.wish.versions == {1, 2}
    data = {"version": 2} if kind == "hold" else {"from": 2, "to": 1, "above": 2}
    after = apply(state, event(kind, **data))
    assert after.held == {2} and after.wish is None
    assert after.rollout is not None and (after.rollout.state, after.rollout.over) == ("rolled back", True)
