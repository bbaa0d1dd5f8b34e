"""What other servers wrote into the journal that they share with this one, brought to its loop while it runs."""

from __future__ import annotations

import logging
import threading

from taxiway.clock import Clock
from taxiway.errors import TaxiwayError
from taxiway.journal import Journal, replay
from taxiway.serve.decided import States
from taxiway.serve.loop import Loop

__all__ = ["FOLLOW_SECONDS", "Following"]

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 1.0
"""The time between two looks at the journal's end."""


class Following:
    """The replay of a journal, carried on with each :meth:`look` from where the loop's own began.

    The loop takes it over as its own state, but of models that it has changed since: the next look has that too.
    """

    def __init__(self, loop: Loop, journal: Journal, clock: Clock) -> None:
        self._loop, self._journal, self._clock = loop, journal, clock
        self._states, self._up_to = loop.loaded
        self._since: float | None = clock.monotonic()
        self._problem = ""
        self._lock = threading.Lock()
        loop.sharing = self

    @property
    def since(self) -> float | None:
        """The monotonic seconds since when every reading went through; None when the last one did not."""
        return self._since

    def look(self) -> None:
        """Read on. While the journal cannot be read, nothing is followed."""
        before = self._up_to
        news = self.read()
        if news is not None and news[1] != before:
            self._loop.post(lambda: self._loop.take_over(*news))

    def read(self) -> tuple[States, int] | None:
        """The state after all events, by model, and the last one's id; None while the journal cannot be read."""
        with self._lock:
            try:
                events = self._journal.read(self._up_to)
            except TaxiwayError as error:
                if error.message != self._problem:
                    log.warning("What other servers decide is not followed: %s", error.message)
                self._problem, self._since = error.message, None
                return None
            self._problem = ""
            if self._since is None:
                self._since = self._clock.monotonic()
            if events:
                self._states, self._up_to = replay(events, self._states), events[-1].id
            return self._states, self._up_to
