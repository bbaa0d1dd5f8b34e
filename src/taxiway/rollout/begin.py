"""The event that begins a rollout."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from taxiway.rollout.arms import Experiment, experiment_document
from taxiway.rollout.document import plan_document
from taxiway.rollout.entry import Entry
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.routing import Sides, experiment_wish, wish
from taxiway.rollout.states import State

__all__ = ["Place", "name_of", "started", "started_experiment"]

# What the data plane takes for a name; it takes 128 bytes, and some are left for what is added before the ramp.
_NAME_BYTES = 100


@dataclass(frozen=True)
class Place:
    """Where a rollout begins.

    ``source`` answers, ``newest`` is the newest version there, and newer ones wait until it is over. ``name`` was never
    used before: what is counted is counted under it. ``salt`` is hashed before each routing key, so that two rollouts
    do not share the users out alike.
    """

    source: int
    newest: int
    name: str
    salt: str


def name_of(model: str, to: int, token: str) -> str:
    """A name for a rollout: the ``token``, which tells it from all others, behind what people read.

    A model may be called what a name in a route may not: other characters than those of ASCII that are seen become _.
    """
    return re.sub("[^!-~]", "_", f"{model}-{to}-{token}")[-_NAME_BYTES:]


def started(plan: RolloutPlan, place: Place) -> Entry:
    """The event that begins a rollout of ``plan``."""
    versions = _sides(place, plan.to, plan.to)
    return _entry(versions, plan_document(plan), wish(versions, plan, State.PENDING, -1, {}))


def started_experiment(tried: Experiment, place: Place) -> Entry:
    """The event that begins an experiment."""
    versions = _sides(place, tried.arms[0].version, max(arm.version for arm in tried.arms))
    kept = replace(tried, control=replace(tried.control, version=place.source))
    wanted = experiment_wish(versions, tried.plan, (*kept.arms, kept.control), State.PENDING, {})
    return _entry(versions, experiment_document(kept), wanted)


def _sides(place: Place, target: int, highest: int) -> Sides:
    return Sides(place.name, place.salt, place.source, target, max(place.newest, place.source, highest))


def _entry(versions: Sides, plan: dict[str, Any], wanted: dict[str, Any] | None) -> Entry:
    data = {
        "rollout": versions.name,
        "from": versions.source,
        "to": versions.target,
        "above": versions.above,
        "plan": plan,
        "salt": versions.salt,
        "wish": wanted,
    }
    return Entry("rollout-started", data)
