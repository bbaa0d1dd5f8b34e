"""The append-only list of every change an operator (or a rollout) made; the state is its replay."""

from __future__ import annotations

from taxiway.journal.event import BEAT, Event
from taxiway.journal.memory import MemoryJournal
from taxiway.journal.protocol import Journal
from taxiway.journal.replay import ModelState, Pin, apply, replay
from taxiway.journal.rollout import NOBODY, Rollout, Wish
from taxiway.journal.snapshot import begin, load, snapshot

__all__ = [
    "BEAT",
    "Event",
    "Journal",
    "MemoryJournal",
    "ModelState",
    "NOBODY",
    "Pin",
    "Rollout",
    "Wish",
    "apply",
    "begin",
    "load",
    "replay",
    "snapshot",
]
