"""What a journal is. Every implementation passes ``taxiway.testing.journal``."""

from __future__ import annotations

from typing import Protocol

from taxiway.journal.event import Event

__all__ = ["Journal"]


class Journal(Protocol):
    """A list of events that grows at its end. Any thread may call any method."""

    def append(self, event: Event, replaces: int = 0) -> Event:
        """Keep ``event`` for good and return it with its id; once this returns, a crash does not lose it.

        ``replaces`` is the id of an event that says nothing more beside this one and goes in the same moment; 0: none.

        Raises:
            Unavailable: it could not be written. Nothing was kept, and nothing went.
        """
        ...

    def read(self, after: int = 0) -> list[Event]:
        """Every event with an id above ``after``, oldest first."""
        ...

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest ``limit`` events (of one model), newest first; no snapshots, which are no changes."""
        ...

    def newest(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        ...

    def close(self) -> None:
        """Let go of files. Calling it again does nothing."""
        ...
