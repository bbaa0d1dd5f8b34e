"""The suite that every journal passes. Use: subclass :class:`JournalContract` and give it a fixture ``journal``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from taxiway.errors import Aborted
from taxiway.journal import Event, Journal
from taxiway.journal.event import BEAT, SNAPSHOT

__all__ = ["JournalContract"]


def _event(model: str, version: int) -> Event:
    return Event(kind="hold", model=model, who="suite", at=1.5, data={"version": version, "text": "é\n"})


class JournalContract:
    """What holds for any journal."""

    def test_events_come_back_as_they_were_in_order(self, journal: Journal) -> None:
        """Ids count up, nothing is changed on the way."""
        kept = [journal.append(_event("m", version)) for version in (1, 2, 3)]
        assert [event.id for event in kept] == sorted({event.id for event in kept})
        assert journal.read() == kept
        assert kept[0] == Event("hold", "m", "suite", 1.5, {"version": 1, "text": "é\n"}, kept[0].id)

    def test_read_goes_on_after_an_id(self, journal: Journal) -> None:
        """A reader takes up where it left off."""
        kept = [journal.append(_event("m", version)) for version in (1, 2, 3)]
        assert journal.read(kept[1].id) == kept[2:]
        assert journal.read(kept[2].id) == []

    def test_recent_is_newest_first_and_bounded(self, journal: Journal) -> None:
        """The history of one model, or of all."""
        kept = [journal.append(_event(model, 1)) for model in ("a", "b", "a")]
        assert journal.recent(2) == [kept[2], kept[1]]
        assert journal.recent(5, "a") == [kept[2], kept[0]]
        assert journal.recent(5, "none") == []

    def test_an_event_may_take_the_place_of_another(self, journal: Journal) -> None:
        """It comes last, with an id of its own; what it replaces is there no more, and need not have been."""
        kept = [journal.append(_event("m", version)) for version in (1, 2)]
        after = journal.append(_event("m", 3), replaces=kept[0].id)
        assert after.id > kept[1].id
        assert journal.read() == [kept[1], after]
        again = journal.append(_event("m", 4), replaces=kept[0].id)
        assert journal.read(kept[1].id) == [after, again]

    def test_an_event_may_ask_to_be_the_next_of_its_model(self, journal: Journal) -> None:
        """It is not kept, and what it replaces stays, when its model has an event that its writer does not know."""
        first, other = journal.append(_event("m", 1)), journal.append(_event("n", 1))
        second = journal.append(_event("m", 2), 0, first.id)
        for known in (0, first.id):
            with pytest.raises(Aborted, match="another server changed m"):
                journal.append(_event("m", 3), first.id, known)
        assert journal.read() == [first, other, second]
        third = journal.append(_event("m", 3), first.id, second.id)
        assert journal.read() == [other, second, third]

    def test_beats_are_no_changes(self, journal: Journal) -> None:
        """Of several servers, that the one that judges is there is nothing for a history."""
        kept = journal.append(_event("m", 1))
        beat = journal.append(Event(BEAT, "m", "suite", 2.5, {"rollout": "r", "server": "a"}))
        assert journal.read() == [kept, beat]
        assert journal.recent(5) == journal.recent(5, "m") == [kept]

    def test_snapshots_are_found_and_are_no_changes(self, journal: Journal) -> None:
        """The newest of a kind, and a history without snapshots."""
        assert journal.newest(SNAPSHOT) is None
        changed = journal.append(_event("m", 1))
        _, last = (journal.append(Event(SNAPSHOT, "", "suite", 2.5, {"up_to": n})) for n in (1, 2))
        assert journal.newest(SNAPSHOT) == last
        assert journal.recent(5) == [changed]

    def test_many_threads_may_append(self, journal: Journal) -> None:
        """No event is lost, no id is given twice."""
        with ThreadPoolExecutor(8) as pool:
            ids = [event.id for event in pool.map(lambda n: journal.append(_event("m", n)), range(64))]
        assert len(set(ids)) == 64
        assert sorted(ids) == [event.id for event in journal.read()]

    def test_close_may_be_repeated(self, journal: Journal) -> None:
        """Closing twice does nothing."""
        journal.close()
        journal.close()
