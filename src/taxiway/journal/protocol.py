"""What a journal is. Every implementation passes ``taxiway.testing.journal``."""

from __future__ import annotations

from typing import Protocol

from taxiway.journal.event import Event

__all__ = ["Journal"]


class Journal(Protocol):
    """An append-only list of events. Any thread may call any method."""

    def append(self, event: Event) -> Event:
        """Keep ``event`` for good and return it with its id; once this returns, a crash does not lose it.

        Raises:
            Unavailable: it could not be written. Nothing was kept.
        """
        ...

    def read(self, after: int = 0) -> list[Event]:
        """Every event with an id above ``after``, oldest first."""
        ...

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest ``limit`` events (of one model), newest first."""
        ...

    def close(self) -> None:
        """Let go of files. Calling it again does nothing."""
        ...
