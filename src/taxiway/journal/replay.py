"""From events to state: one pure function a kind.

| kind | data | effect |
|---|---|---|
| `rollback` | `from`, `to`, `above` | `to` answers and `from` is held, until a version newer than `above` answers |
| `hold` | `version` | the version is not chosen |
| `release` | `version` (null: all) | it may be chosen again; releasing all ends a rollback |

Kinds this version does not know change nothing: a newer Taxiway wrote them, and they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from taxiway.journal.event import Event

__all__ = ["ModelState", "Pin", "apply", "replay"]


@dataclass(frozen=True)
class Pin:
    """``version`` answers requests that name none, until a version newer than ``above`` can. ``version <= above``."""

    version: int
    above: int


@dataclass(frozen=True)
class ModelState:
    """What operators decided about a model: versions that are not chosen, and which one answers."""

    held: frozenset[int] = frozenset()
    pin: Pin | None = None


def replay(events: Iterable[Event]) -> dict[str, ModelState]:
    """The state after ``events``, oldest first, by model."""
    states: dict[str, ModelState] = {}
    for event in events:
        states[event.model] = apply(states.get(event.model, ModelState()), event)
    return states


def apply(state: ModelState, event: Event) -> ModelState:
    """The state after one more event."""
    reducer = _REDUCERS.get(event.kind)
    return reducer(state, event) if reducer else state


def _rollback(state: ModelState, event: Event) -> ModelState:
    source, target = event.data.get("from"), int(event.data["to"])
    left = frozenset() if source is None else frozenset({int(source)})
    return ModelState((state.held | left) - {target}, Pin(target, int(event.data["above"])))


def _hold(state: ModelState, event: Event) -> ModelState:
    version = int(event.data["version"])
    pin = None if state.pin and state.pin.version == version else state.pin
    return ModelState(state.held | {version}, pin)


def _release(state: ModelState, event: Event) -> ModelState:
    version = event.data.get("version")
    if version is None:
        return ModelState()
    held = state.held - {int(version)}
    # With nothing held any more, a rollback has nothing left to protect from: the newest may answer again.
    return replace(state, held=held, pin=state.pin if held else None)


_REDUCERS: Mapping[str, Callable[[ModelState, Event], ModelState]] = {
    "rollback": _rollback,
    "hold": _hold,
    "release": _release,
}
