"""The event that begins a rollout."""

from __future__ import annotations

from taxiway.rollout.document import plan_document
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.routing import Sides, wish
from taxiway.rollout.states import State
from taxiway.rollout.steer import Entry

__all__ = ["started"]


def started(plan: RolloutPlan, *, source: int, newest: int, name: str, salt: str) -> Entry:
    """The event that begins a rollout of ``plan`` beside version ``source``.

    Args:
        plan: what is planned.
        source: the version that answers.
        newest: the newest version there; newer ones wait until it is over.
        name: the rollout's own, never used before: what is counted is counted under it.
        salt: hashed before each routing key, so that two rollouts do not share the users out alike.
    """
    above = max(newest, source, plan.to)
    data = {
        "rollout": name,
        "from": source,
        "to": plan.to,
        "above": above,
        "plan": plan_document(plan),
        "salt": salt,
        "wish": wish(Sides(name, salt, source, plan.to, above), plan, State.PENDING, -1, {}),
    }
    return Entry("rollout-started", data)
