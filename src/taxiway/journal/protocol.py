"""What a journal is. Every implementation passes ``taxiway.testing.journal``."""

from __future__ import annotations

from typing import Protocol

from taxiway.errors import Aborted
from taxiway.journal.event import Event

__all__ = ["Journal", "overtaken"]


class Journal(Protocol):
    """A list of events that grows at its end. Any thread may call any method."""

    def append(self, event: Event, replaces: int = 0, after: int | None = None) -> Event:
        """Keep ``event`` for good and return it with its id; once this returns, a crash does not lose it.

        Args:
            event: what to keep.
            replaces: the id of an event that says nothing more beside this one and goes in the same moment; 0: none.
            after: keep it only when no event of its model has a later id than this; None asks for nothing.

        Raises:
            Aborted: another event came ``after``. Nothing was kept, and nothing went.
            Unavailable: it could not be written. Nothing was kept, and nothing went, unless the message says that this
                is not known; what was kept all the same is then found by :meth:`read`.
        """
        ...

    def read(self, after: int = 0) -> list[Event]:
        """Every event with an id above ``after``, oldest first."""
        ...

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest ``limit`` events (of one model), newest first; none of those that are no changes."""
        ...

    def newest(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        ...

    def close(self) -> None:
        """Let go of files. Calling it again does nothing."""
        ...


def overtaken(event: Event) -> Aborted:
    """What an append raises when another one came first."""
    return Aborted(
        f"another server changed {event.model} at the same moment, so nothing was done",
        hint=f"taxiway history {event.model} shows what; then try again",
    )
