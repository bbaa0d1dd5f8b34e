"""What can become of a rollout: one enum of states, one table of transitions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from taxiway.errors import FailedPrecondition

__all__ = ["BEFORE", "EXPOSED", "FINAL", "IN_PROCESS", "TRANSITIONS", "Change", "State", "allowed", "diagram", "follow"]


class State(Enum):
    """How far a rollout has come."""

    PENDING = "pending"
    WARMING = "warming"
    REPLAY = "replay"
    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTING = "promoting"
    LIVE = "live"
    PAUSED = "paused"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"


class Change(Enum):
    """What happens to a rollout."""

    BEGIN = "begin"
    UNABLE = "the new version cannot be loaded, or tried"
    TO_REPLAY = "ask it recorded requests"
    TO_SHADOW = "copy requests to it"
    TO_CANARY = "let it answer"
    STEP = "next step"
    DROP = "drop an arm"
    PROMOTE = "promote"
    PROMOTED = "all requests are its own"
    PAUSE = "pause"
    RESUME_SHADOW = "resume the shadow"
    RESUME_CANARY = "resume the canary"
    ROLL_BACK = "roll back"
    ROLLED_BACK = "the old version answers all"
    STUCK = "the old version cannot be put back"


IN_PROCESS = (State.WARMING, State.REPLAY, State.SHADOW, State.CANARY, State.PROMOTING, State.LIVE, State.PAUSED)
"""Where the new version is in a server's process, and may end it."""

TRANSITIONS: Mapping[tuple[State, Change], State] = {
    (State.PENDING, Change.BEGIN): State.WARMING,
    (State.PENDING, Change.ROLL_BACK): State.ROLLED_BACK,  # nothing was changed yet
    (State.WARMING, Change.UNABLE): State.FAILED,
    (State.WARMING, Change.TO_REPLAY): State.REPLAY,
    (State.WARMING, Change.TO_SHADOW): State.SHADOW,
    (State.WARMING, Change.TO_CANARY): State.CANARY,
    (State.REPLAY, Change.UNABLE): State.FAILED,
    (State.REPLAY, Change.TO_SHADOW): State.SHADOW,
    (State.REPLAY, Change.TO_CANARY): State.CANARY,
    (State.SHADOW, Change.TO_CANARY): State.CANARY,
    (State.SHADOW, Change.PAUSE): State.PAUSED,
    (State.CANARY, Change.STEP): State.CANARY,
    (State.CANARY, Change.DROP): State.CANARY,
    (State.PAUSED, Change.DROP): State.PAUSED,
    (State.CANARY, Change.PAUSE): State.PAUSED,
    (State.CANARY, Change.PROMOTE): State.PROMOTING,
    (State.PAUSED, Change.RESUME_SHADOW): State.SHADOW,
    (State.PAUSED, Change.RESUME_CANARY): State.CANARY,
    (State.PAUSED, Change.PROMOTE): State.PROMOTING,
    (State.PROMOTING, Change.PROMOTED): State.LIVE,
    **{(state, Change.ROLL_BACK): State.ROLLING_BACK for state in IN_PROCESS},
    (State.ROLLING_BACK, Change.ROLLED_BACK): State.ROLLED_BACK,
    (State.ROLLING_BACK, Change.STUCK): State.FAILED,
}

BEFORE = frozenset({State.PENDING, State.WARMING, State.REPLAY})
"""Where a rollout is until its first step."""
# What people call the changes that they can ask for.
_VERBS = {
    Change.PAUSE: "pause",
    Change.RESUME_SHADOW: "resume",
    Change.RESUME_CANARY: "resume",
    Change.PROMOTE: "promote",
    Change.ROLL_BACK: "abort",
}
EXPOSED = frozenset({State.CANARY, State.PAUSED, State.PROMOTING, State.LIVE})
"""Where the new version may be answering requests."""
FINAL = frozenset({State.ROLLED_BACK, State.FAILED})
"""Where nothing happens any more."""


def allowed(state: State) -> list[Change]:
    """What can happen in ``state``."""
    return [change for before, change in TRANSITIONS if before is state]


def follow(state: State, change: Change) -> State:
    """The state after ``change``.

    Raises:
        FailedPrecondition: not in this state; the hint says what can be done.
    """
    after = TRANSITIONS.get((state, change))
    if after is None:
        can = list(dict.fromkeys(_VERBS[each] for each in allowed(state) if each in _VERBS))
        raise FailedPrecondition(
            f"a rollout in the state {state.value} cannot {_VERBS.get(change, change.value)}",
            hint=f"it can {' or '.join(can)}" if can else "nothing can be done about it by hand",
        )
    return after


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING.name}"]
    lines += [f"    {before.name} --> {after.name}: {change.value}" for (before, change), after in TRANSITIONS.items()]
    lines += [f"    {state.name} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines) + "\n"
