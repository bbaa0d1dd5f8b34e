"""One change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BEAT", "FORMAT", "SNAPSHOT", "UNTOLD", "Event"]

# The shape of `data`, kept with each event, so that a later version can read what this one wrote.
FORMAT = 1
# The kind of an event that is no change: what all before it add up to.
SNAPSHOT = "snapshot"
# Of several servers, the one that judges a rollout is there.
BEAT = "rollout-beat"
# Kinds that a history leaves out.
UNTOLD = (SNAPSHOT, BEAT)


@dataclass(frozen=True)
class Event:
    """One change: what kind, to which model, when, by whom.

    ``id`` counts up in the order of appending, 0 before it was appended; ``at`` is seconds since the epoch; ``data``
    is JSON whose keys the kind defines (see :mod:`taxiway.journal.replay`).
    """

    kind: str
    model: str
    who: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    format: int = FORMAT
