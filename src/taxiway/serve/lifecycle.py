"""What can become of a version: one enum of states, one table of transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from taxiway.errors import Internal

__all__ = ["TRANSITIONS", "Change", "Record", "State", "diagram", "follow"]


class State(Enum):
    """TensorFlow Serving's states; a table and a status name them so."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


class Change(Enum):
    """What happens to a version."""

    LOAD = "load"
    LOADED = "loaded"
    FAILED = "failed, will be tried again"
    GAVE_UP = "failed for the last time"
    CANCEL = "no longer wanted"
    UNLOAD = "unload"
    UNLOADED = "unloaded"
    AGAIN = "wanted again"


TRANSITIONS: Mapping[tuple[State, Change], State] = {
    (State.START, Change.LOAD): State.LOADING,
    (State.START, Change.CANCEL): State.END,
    (State.LOADING, Change.LOADED): State.AVAILABLE,
    (State.LOADING, Change.FAILED): State.START,
    (State.LOADING, Change.GAVE_UP): State.END,
    (State.AVAILABLE, Change.UNLOAD): State.UNLOADING,
    (State.UNLOADING, Change.UNLOADED): State.END,
    (State.END, Change.AGAIN): State.START,
}


@dataclass(frozen=True)
class Record:
    """One version of one model, as far as it has come.

    ``attempts`` counts failed loads, ``retry_at`` (monotonic seconds) is when the next may start, ``error`` is the
    last one as (kind, message). ``loaded_id`` is the data plane's number while it is in memory. ``dropped`` says that
    it was not wanted since it ended: only then is wanting it a new wish, and a reason to try again.
    """

    version: int
    path: str
    state: State = State.START
    attempts: int = 0
    retry_at: float = 0.0
    error: tuple[str, str] | None = None
    loaded_id: int | None = None
    dropped: bool = False
    ended_at: float = 0.0


def follow(state: State, change: Change) -> State:
    """The state after ``change``.

    Raises:
        Internal: the table has no such transition.
    """
    after = TRANSITIONS.get((state, change))
    if after is None:
        raise Internal(f"a version in state {state.value} cannot take {change.name}")
    return after


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> START"]
    lines += [
        f"    {before.value} --> {after.value}: {change.value}" for (before, change), after in TRANSITIONS.items()
    ]
    return "\n".join(lines) + "\n"
