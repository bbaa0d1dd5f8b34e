"""A journal that is forgotten with its process: for tests, and for servers that keep no state."""

from __future__ import annotations

import threading
from dataclasses import replace

from taxiway.journal.event import Event

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """Events in a list."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def append(self, event: Event) -> Event:
        """Keep ``event``."""
        with self._lock:
            kept = replace(event, id=len(self._events) + 1)
            self._events.append(kept)
        return kept

    def read(self, after: int = 0) -> list[Event]:
        """Events with an id above ``after``, oldest first."""
        with self._lock:
            return self._events[after:]

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest events, newest first."""
        chosen = [event for event in reversed(self.read()) if model in (None, event.model)]
        return chosen[:limit]

    def close(self) -> None:
        """Nothing to let go of."""
