"""Which of the servers that share a journal judges a rollout. Pure: the time, and what was read when, are arguments.

One of them leads: it looks, adds up what it counted, and decides. What it counted is of its own process, and the same
user may ask another server too, so that adding the counts of two would toss one coin twice. Its beats in the journal
say that it is there. When there is none for ``patience_seconds``, another server leads, whose first word is appended
only when nobody was quicker. Who stood still and comes back finds that word before it can append one of its own.
"""

from __future__ import annotations

import math

from taxiway.journal import BEAT, NOBODY, Rollout
from taxiway.rollout.entry import Entry
from taxiway.rollout.states import IN_PROCESS, State

__all__ = ["Leadership"]

_BEATS = 3
# Of plans from before they said it.
_MAX_CRASHES = 3
# A server that does not serve all that a rollout wants leads it only when nobody else has come forward for this long.
_RELUCTANCE = 4


class Leadership:
    """What one server remembers of the rollouts in a journal, by model.

    Args:
        server: its name; empty where the journal is its own, and everything is judged here.
        patience_seconds: how long a leader may be silent; it is heard of three times as often.
    """

    def __init__(self, server: str, patience_seconds: float) -> None:
        self.server, self._patience = server, patience_seconds
        # What was heard of a leader last, and when that was first seen here.
        self._heard: dict[str, tuple[tuple[str, str, tuple[int, int]], float]] = {}
        self._beaten: dict[str, float] = {}

    def leads(self, record: Rollout) -> bool:
        """Whether a rollout is judged here."""
        return record.leader in ("", self.server)

    def may_act(self, record: Rollout) -> bool:
        """Whether its next event may be appended here: what takes no judging is for whoever comes first."""
        crashed = record.crashes >= int(record.plan.get("max_crashes", _MAX_CRASHES))
        return self.leads(record) or record.state == State.ROLLING_BACK.value or crashed

    def due(self, model: str, record: Rollout, *, serves: bool, now: float, since: float | None) -> Entry | None:
        """A beat of the rollout that is judged here, or the word that it is from now on; None when neither is due.

        Args:
            model: whose rollout it is.
            record: the rollout, not over.
            serves: whether this server serves all that it wants.
            now: monotonic seconds.
            since: those since when the journal could be read without a break; None when it cannot.
        """
        if not self.server or not record.leader:
            return None
        if self.leads(record):
            return self._beat(model, record, now)
        sign = (record.id, record.leader, (record.beat_id, record.crashes))
        if model not in self._heard or self._heard[model][0] != sign:
            self._heard[model] = (sign, now)
        silent = 0.0 if since is None else now - max(self._heard[model][1], since)
        wait = 0.0 if record.leader == NOBODY else self._patience
        if silent < (wait if serves else _RELUCTANCE * self._patience) or since is None:
            return None
        self._beaten[model] = now
        crashed = record.leader in record.serving and State(record.state) in IN_PROCESS
        names = {"rollout": record.id, "server": self.server, "after": record.leader}
        return Entry("rollout-led", {**names, "crashed": crashed})

    def _beat(self, model: str, record: Rollout, now: float) -> Entry | None:
        # A process says at its first look that it is there: one that was killed and came back is not taken for gone.
        if now - self._beaten.get(model, -math.inf) < self._patience / _BEATS:
            return None
        self._beaten[model] = now
        return Entry(BEAT, {"rollout": record.id, "server": self.server}, record.beat_id)
