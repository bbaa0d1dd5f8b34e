"""A journal that is forgotten with its process: for tests, and for servers that keep no state."""

from __future__ import annotations

import threading
from dataclasses import replace

from taxiway.journal.event import UNTOLD, Event
from taxiway.journal.protocol import overtaken

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """Events in a list."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._last = 0
        self._lock = threading.Lock()

    def append(self, event: Event, replaces: int = 0, after: int | None = None) -> Event:
        """Keep ``event``."""
        with self._lock:
            if after is not None and any(e.id > after and e.model == event.model for e in self._events.values()):
                raise overtaken(event)
            self._last += 1
            kept = self._events[self._last] = replace(event, id=self._last)
            self._events.pop(replaces, None)
        return kept

    def read(self, after: int = 0) -> list[Event]:
        """Events with an id above ``after``, oldest first."""
        with self._lock:
            return [event for number, event in self._events.items() if number > after]

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest events, newest first."""
        events = [event for event in reversed(self.read()) if event.kind not in UNTOLD]
        return [event for event in events if model in (None, event.model)][:limit]

    def newest(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.read()) if event.kind == kind), None)

    def close(self) -> None:
        """Nothing to let go of."""
