"""From events to state: one pure function a kind. Those of a rollout are in :mod:`taxiway.journal.rollout`.

| kind | data | effect |
|---|---|---|
| `rollback` | `from`, `to`, `above` | `to` answers and `from` is held, until a version newer than `above` answers |
| `hold` | `version` | the version is not chosen |
| `release` | `version` (null: all) | it may be chosen again; releasing all ends a rollback |
| `adopt` | `version` (null: none) | newer versions wait for a rollout, whatever is published |

A rollback, and holding the version that a rollout brings, end the rollout.

Kinds this version does not know change nothing: a newer Taxiway wrote them, and they are kept. Nor does a `snapshot`,
which only says what came before it: see :mod:`taxiway.journal.snapshot`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from taxiway.journal import rollout as rollouts
from taxiway.journal.event import BEAT, SNAPSHOT, Event
from taxiway.journal.rollout import Rollout, Wish

__all__ = ["KINDS", "ModelState", "Pin", "apply", "replay"]


@dataclass(frozen=True)
class Pin:
    """``version`` answers requests that name none, until a version newer than ``above`` can. ``version <= above``."""

    version: int
    above: int


@dataclass(frozen=True)
class ModelState:
    """What operators and rollouts decided about a model.

    ``held`` are versions that are not chosen. ``live`` is the version that rollouts brought so far, where newer ones
    wait for theirs. ``rollout`` is the latest one, ended ones too.
    """

    held: frozenset[int] = frozenset()
    pin: Pin | None = None
    live: int | None = None
    rollout: Rollout | None = None

    @property
    def wish(self) -> Wish | None:
        """What a rollout wants served; None when there is none, or none any more."""
        return self.rollout.wish if self.rollout is not None else None


def replay(events: Iterable[Event], since: Mapping[str, ModelState] | None = None) -> dict[str, ModelState]:
    """The state after ``events``, oldest first, by model; ``since`` is the state before them."""
    states = dict(since or {})
    for event in events:
        if event.kind != SNAPSHOT:
            states[event.model] = apply(states.get(event.model, ModelState()), event)
    return states


def apply(state: ModelState, event: Event) -> ModelState:
    """The state after one more event."""
    reducer = _REDUCERS.get(event.kind)
    if reducer is None or not (event.kind == "rollout-started" or _of_this_rollout(state, event)):
        return state
    return reducer(state, event)


def _rollback(state: ModelState, event: Event) -> ModelState:
    source, target = event.data.get("from"), int(event.data["to"])
    left = set() if source is None else {int(source)}
    rollout = state.rollout
    if rollout is not None and not rollout.over:
        left |= {rollout.target, *(rollout.wish.versions - {rollout.source} if rollout.wish is not None else ())}
        rollout = rollouts.ended(rollout, event)
    pin = Pin(target, int(event.data["above"]))
    return replace(state, held=(state.held | left) - {target}, pin=pin, rollout=rollout)


def _hold(state: ModelState, event: Event) -> ModelState:
    version = int(event.data["version"])
    pin = None if state.pin and state.pin.version == version else state.pin
    rollout = state.rollout
    if rollout is not None and not rollout.over and rollout.target == version:
        rollout = rollouts.ended(rollout, event)
    return replace(state, held=state.held | {version}, pin=pin, rollout=rollout)


def _release(state: ModelState, event: Event) -> ModelState:
    version = event.data.get("version")
    if version is None:
        return replace(state, held=frozenset(), pin=None)
    held = state.held - {int(version)}
    # With nothing held any more, a rollback has nothing left to protect from: the newest may answer again.
    return replace(state, held=held, pin=state.pin if held else None)


def _adopt(state: ModelState, event: Event) -> ModelState:
    version = event.data.get("version")
    return replace(state, live=None if version is None else int(version))


def _started(state: ModelState, event: Event) -> ModelState:
    rollout = rollouts.started(event)
    wanted = rollout.wish.versions - {rollout.source} if rollout.wish is not None else frozenset()
    return replace(state, held=state.held - {rollout.target} - wanted, rollout=rollout)


def _changed(state: ModelState, event: Event) -> ModelState:
    data = event.data
    if state.rollout is None or state.rollout.over:
        return state
    after = replace(state, rollout=rollouts.changed(state.rollout, event))
    if data.get("hold") is not None:
        hold = data["hold"] if isinstance(data["hold"], list) else [data["hold"]]
        after = replace(after, held=after.held | {int(version) for version in hold})
    if "pin" in data:
        after = replace(after, pin=_pin(data["pin"]))
    return replace(after, live=int(data["live"])) if data.get("live") is not None else after


def _pin(document: Mapping[str, Any] | None) -> Pin | None:
    return None if document is None else Pin(int(document["version"]), int(document["above"]))


def _of_rollout(change: Callable[[Rollout, Event], Rollout]) -> Callable[[ModelState, Event], ModelState]:
    """The reducer of a kind that changes a rollout and nothing else."""

    def reduced(state: ModelState, event: Event) -> ModelState:
        return state if state.rollout is None else replace(state, rollout=change(state.rollout, event))

    return reduced


def _of_this_rollout(state: ModelState, event: Event) -> bool:
    """Whether an event is about the model's latest rollout; one of an earlier one has nothing left to change."""
    return "rollout" not in event.data or (state.rollout is not None and state.rollout.id == event.data["rollout"])


_REDUCERS: Mapping[str, Callable[[ModelState, Event], ModelState]] = {
    "rollback": _rollback,
    "hold": _hold,
    "release": _release,
    "adopt": _adopt,
    "rollout-started": _started,
    "rollout-changed": _changed,
    "rollout-look": _of_rollout(rollouts.looked),
    "rollout-joined": _of_rollout(rollouts.joined),
    "rollout-left": _of_rollout(rollouts.left),
    "rollout-crashed": _of_rollout(rollouts.crashed),
    "rollout-led": _of_rollout(rollouts.led),
    BEAT: _of_rollout(rollouts.beaten),
    "rollout-closed": _of_rollout(rollouts.closed),
}
KINDS = tuple(_REDUCERS)
"""The kinds that change something."""
