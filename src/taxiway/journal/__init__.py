"""The append-only list of every change an operator (or a rollout) made; the state is its replay."""

from __future__ import annotations

from taxiway.journal.event import Event
from taxiway.journal.memory import MemoryJournal
from taxiway.journal.protocol import Journal
from taxiway.journal.replay import ModelState, Pin, apply, replay
from taxiway.journal.rollout import Rollout, Wish
from taxiway.journal.snapshot import begin, load, snapshot

__all__ = [
    "Event",
    "Journal",
    "MemoryJournal",
    "ModelState",
    "Pin",
    "Rollout",
    "Wish",
    "apply",
    "begin",
    "load",
    "replay",
    "snapshot",
]
