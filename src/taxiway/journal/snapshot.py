"""A journal's beginning, once: what its events up to one add up to, so that a start need not read them all again.

A snapshot is an event of its own kind beside the others, which stay: it only saves time. It names the event that it
goes up to, since another server may have appended more by the time it is kept. One that was written by other reducers,
or of a state of another form, is passed over, and everything is replayed.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from taxiway.errors import TaxiwayError
from taxiway.journal.event import SNAPSHOT, Event
from taxiway.journal.protocol import Journal
from taxiway.journal.replay import KINDS, ModelState, Pin, replay
from taxiway.journal.rollout import Rollout, Wish

__all__ = ["begin", "load", "snapshot"]

log = logging.getLogger(__name__)

# Another number whenever a reducer comes to another state than before from the same events.
_REDUCERS = 2
_EVENTS_BETWEEN = 500


def load(journal: Journal, now: float, between: int = _EVENTS_BETWEEN) -> dict[str, ModelState]:
    """The state after all events of ``journal``; see :func:`begin`."""
    return begin(journal, now, between)[0]


def begin(journal: Journal, now: float, between: int = _EVENTS_BETWEEN) -> tuple[dict[str, ModelState], int]:
    """The state after all events of ``journal``, by model, as :func:`.replay.replay` of them all has it; the last's id.

    Args:
        journal: a snapshot is kept in it after ``between`` events without one, when it can be written.
        now: seconds since the epoch.

    Raises:
        Unavailable: it cannot be read.
    """
    kept = journal.newest(SNAPSHOT)
    usable = kept is not None and kept.data.get("form") == _form()
    states, after = _read(kept.data) if kept is not None and usable else ({}, 0)
    events = [event for event in journal.read(after) if event.kind != SNAPSHOT]
    states = replay(events, states)
    if len(events) >= between:
        try:
            journal.append(snapshot(states, events[-1].id, now))
        except TaxiwayError as error:
            log.warning("No snapshot of the journal was kept: %s", error.message)
    return states, events[-1].id if events else after


def snapshot(states: Mapping[str, ModelState], up_to: int, now: float) -> Event:
    """The event that says what the events up to the one with the id ``up_to`` add up to."""
    models = {name: _document(state) for name, state in states.items()}
    return Event(SNAPSHOT, "", "server", now, {"form": _form(), "up_to": up_to, "models": models})


def _form() -> str:
    parts = [*KINDS, *(field.name for kind in (ModelState, Pin, Rollout, Wish) for field in fields(kind))]
    return f"{_REDUCERS}-{zlib.crc32(' '.join(parts).encode()):08x}"


def _read(data: Mapping[str, Any]) -> tuple[dict[str, ModelState], int]:
    return {name: _state(document) for name, document in data["models"].items()}, int(data["up_to"])


def _document(state: ModelState) -> dict[str, Any]:
    rollout = None if state.rollout is None else _plain(state.rollout)
    if rollout is not None:
        rollout["serving"] = sorted(rollout["serving"])
        rollout["wish"] = None if rollout["wish"] is None else _plain(rollout["wish"])
        if rollout["wish"] is not None:
            rollout["wish"]["versions"] = sorted(rollout["wish"]["versions"])
    pin = None if state.pin is None else _plain(state.pin)
    return {"held": sorted(state.held), "pin": pin, "live": state.live, "rollout": rollout}


def _state(document: Mapping[str, Any]) -> ModelState:
    rollout, pin = document["rollout"], document["pin"]
    if rollout is not None:
        wish = rollout["wish"]
        wish = None if wish is None else Wish(**{**wish, "versions": frozenset(wish["versions"])})
        rollout = Rollout(**{**rollout, "serving": frozenset(rollout["serving"]), "wish": wish})
    return ModelState(frozenset(document["held"]), None if pin is None else Pin(**pin), document["live"], rollout)


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
