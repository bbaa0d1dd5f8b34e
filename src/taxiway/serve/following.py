"""What other servers wrote into the journal that they share with this one, brought to its loop while it runs."""

from __future__ import annotations

import logging

from taxiway.clock import Clock
from taxiway.errors import TaxiwayError
from taxiway.journal import Journal, begin, replay
from taxiway.serve.loop import Loop

__all__ = ["FOLLOW_SECONDS", "Following"]

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 1.0
"""The time between two looks at the journal's end."""


class Following:
    """The replay of a journal, carried on with each :meth:`look`.

    The loop takes it over as its own state, unless it has appended more than was read: the next look has that too.
    """

    def __init__(self, loop: Loop, journal: Journal, clock: Clock) -> None:
        self._loop, self._journal, self._clock = loop, journal, clock
        self._states, self._up_to = begin(journal, clock.now())
        self._problem = ""

    def look(self) -> None:
        """Read on. While the journal cannot be read, nothing is followed."""
        try:
            events = self._journal.read(self._up_to)
        except TaxiwayError as error:
            if error.message != self._problem:
                log.warning("What other servers decide is not followed: %s", error.message)
            self._problem = error.message
            return
        self._problem = ""
        if not events:
            return
        self._states, self._up_to = replay(events, self._states), events[-1].id
        states, up_to = self._states, self._up_to
        self._loop.post(lambda: self._loop.take_over(states, up_to))
