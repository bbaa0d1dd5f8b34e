"""What the events of a rollout add up to. The words in them are :mod:`taxiway.rollout`'s; here they are only kept.

| kind | data | effect |
|---|---|---|
| `rollout-started` | `from`, `to`, `above`, `plan`, `salt`, `wish`, `server` | it begins; what it wants is not held |
| `rollout-changed` | `change`, `state`, `step`, `rule`, `because`, `wish`, `seen`, `verdict` | it is in `state` |
| | and perhaps `plan`, `baseline`, `to`, `hold`, `pin`, `live` | the last three become the model's |
| `rollout-look` | `rule`, `because`, `seen`, `verdict`, `since` | what was seen so far is `seen`; earlier looks |
| | | from `since` on found the same, and went when this one was kept |
| `rollout-joined` | `server` | a server begins to serve it |
| `rollout-left` | `server` | a server that serves it is stopped in order |
| `rollout-crashed` | `server` | a server that serves it ended in no order, and is back |
| `rollout-led` | `server`, `after`, `crashed`, `seen` | `server` judges it from now on, as `after` did |
| `rollout-beat` | `server` | the server that judges it is there |
| `rollout-closed` | `because` | it asks for nothing any more |

Each names its `rollout`. `wish` is what it wants served from then on, so that a table can be worked out again without
knowing what the words mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from taxiway.journal.event import Event

__all__ = [
    "ENDED_BY_HAND", "NOBODY", "Rollout", "Wish", "beaten", "changed", "closed", "crashed", "ended", "joined", "led",
    "left", "looked", "started",
]  # fmt: skip

ENDED_BY_HAND = "rolled back"
"""The state that a rollback or a hold by hand leaves a rollout in."""
NOBODY = "(nobody)"
"""Who leads a rollout whose leader was stopped in order, until another server does."""


@dataclass(frozen=True)
class Wish:
    """What a rollout wants served.

    ``default`` answers requests that name no version; None leaves that to the policy. ``versions`` are in memory.
    Versions above ``above`` wait, unless it is None. ``route`` is the data plane's document for the model's traffic.
    """

    default: int | None
    versions: frozenset[int]
    above: int | None = None
    route: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Rollout:
    """A rollout from version ``source`` to ``target``, as far as its events tell.

    ``above`` was the newest version when it began. ``started_at``, ``entered_at`` (this state, or this step)
    and ``looked_at`` are seconds since the epoch. ``seen``, ``baseline`` and ``verdict`` are documents of
    :mod:`taxiway.rollout`. ``over`` says that nothing comes any more. ``leader`` is the server that judges it;
    empty where the journal is of one server. ``beat_id`` is the event by which it was there last, 0 before the first.
    ``serving`` are the servers that serve it and
    were not stopped in order; ``crashes`` counts how often one of them ended otherwise. ``look_id`` is the event of the
    last look, 0 when something else came since; it stands for the looks from ``look_since`` on.
    """

    id: str
    source: int
    target: int
    above: int
    plan: Mapping[str, Any]
    salt: str
    who: str
    state: str
    started_at: float
    entered_at: float
    looked_at: float
    step: int = -1
    wish: Wish | None = None
    baseline: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    verdict: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    because: str = ""
    over: bool = False
    leader: str = ""
    beat_id: int = 0
    serving: frozenset[str] = frozenset()
    crashes: int = 0
    look_id: int = 0
    look_since: float = 0.0


def started(event: Event) -> Rollout:
    """The rollout that an event begins."""
    data = event.data
    return Rollout(
        id=str(data["rollout"]),
        source=int(data["from"]),
        target=int(data["to"]),
        above=int(data["above"]),
        plan=data["plan"],
        salt=str(data["salt"]),
        who=event.who,
        state="pending",
        started_at=event.at,
        entered_at=event.at,
        looked_at=event.at,
        wish=_wish(data.get("wish")),
        leader=str(data.get("server", "")),
        serving=frozenset([str(data["server"])] if "server" in data else []),
    )


def changed(rollout: Rollout, event: Event) -> Rollout:
    """The rollout after a change of its state or step."""
    data = event.data
    wish = _wish(data.get("wish"))
    return replace(
        looked(rollout, event),
        target=int(data.get("to", rollout.target)),
        state=str(data["state"]),
        step=int(data["step"]),
        entered_at=event.at,
        plan=data.get("plan", rollout.plan),
        baseline=data.get("baseline", rollout.baseline),
        wish=wish,
        over=wish is None,
    )


def looked(rollout: Rollout, event: Event) -> Rollout:
    """The rollout after a look at it."""
    data, look = event.data, event.kind == "rollout-look"
    return replace(
        rollout,
        look_id=event.id if look else 0,
        look_since=float(data.get("since", event.at)) if look else 0.0,
        looked_at=event.at,
        seen=data.get("seen", rollout.seen),
        verdict=data.get("verdict", rollout.verdict),
        rule=str(data.get("rule", "")),
        because=str(data.get("because", "")),
    )


def joined(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when a server begins to serve it."""
    return replace(rollout, serving=rollout.serving | {str(event.data["server"])}, look_id=0)


def left(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when a server was stopped in order."""
    server = str(event.data["server"])
    leader = NOBODY if server and server == rollout.leader else rollout.leader
    return replace(rollout, serving=rollout.serving - {server}, leader=leader, look_id=0)


def led(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when a server begins to judge it in another's place."""
    gone = {str(event.data["after"])} if event.data["crashed"] else set()
    return replace(
        rollout,
        leader=str(event.data["server"]),
        beat_id=0,
        seen=event.data.get("seen", rollout.seen),
        serving=rollout.serving - gone,
        crashes=rollout.crashes + len(gone),
        look_id=0,
    )


def beaten(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when the server that judges it is there; another's word for that counts for nothing."""
    return replace(rollout, beat_id=event.id) if event.data["server"] == rollout.leader else rollout


def crashed(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when a server that served it is back after it ended in no order."""
    return replace(rollout, crashes=rollout.crashes + 1, look_id=0)


def closed(rollout: Rollout, event: Event) -> Rollout:
    """The rollout when nothing of it is left to do; its state stays."""
    return replace(rollout, wish=None, over=True, because=str(event.data.get("because", "")))


def ended(rollout: Rollout, event: Event) -> Rollout:
    """The rollout after somebody put an end to it by hand, from outside."""
    because = f"{event.kind} by {event.who}"
    return replace(
        rollout, state=ENDED_BY_HAND, entered_at=event.at, wish=None, over=True, rule="BY_HAND", because=because
    )


def _wish(document: Mapping[str, Any] | None) -> Wish | None:
    if document is None:
        return None
    return Wish(document["default"], frozenset(document["versions"]), document.get("above"), document.get("route"))
