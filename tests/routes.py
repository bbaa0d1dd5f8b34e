"""Plans whose routes the data plane refuses, and plans of every kind, for whoever reads plans and for the data plane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from taxiway.rollout.arms import parse_experiment
from taxiway.rollout.begin import Place, name_of, started, started_experiment
from taxiway.rollout.parse import parse_plan
from taxiway.rollout.routing import Sides, experiment_wish, wish
from taxiway.rollout.states import State

__all__ = ["BASE", "REFUSED", "plans", "routes"]

BASE: Mapping[str, Any] = {"model": "m", "to": 2, "guards": ["errors", "p95"], "goal": "revenue"}


def _arm(name: str, share_ppm: int, begin_ppm: int | None = None) -> dict[str, Any]:
    return {"name": name, "version": 2, "share_ppm": share_ppm, "begin_ppm": begin_ppm}


# what is wrong: (what a plan says, what its route would be)
REFUSED: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "a header with a space": ({"key": "x user"}, {"key": {"header": "x user"}}),
    "a header that is not ASCII": ({"key": "x-größe"}, {"key": {"header": "x-größe"}}),
    "an arm that is not ASCII": ({"arms": ["größe=2:10"]}, {"arms": [_arm("größe", 100_000)]}),
    "an arm with a space": ({"arms": ["a b=2:10"]}, {"arms": [_arm("a b", 100_000)]}),
    "an arm with a long name": ({"arms": [f"{'b' * 129}=2:10"]}, {"arms": [_arm("b" * 129, 100_000)]}),
    "an arm called as the rest is": ({"arms": ["stable=2:10"]}, {"arms": [_arm("stable", 100_000)]}),
    "two arms of one name": (
        {"arms": ["b=2:10", "b=3:10"]},
        {"arms": [_arm("b", 100_000), _arm("b", 100_000)]},
    ),
    "arms that overlap": (
        {"arms": ["b=2:20@0", "c=3:20@100000"]},
        {"arms": [_arm("b", 200_000, 0), _arm("c", 200_000, 100_000)]},
    ),
    "an arm beyond the end": ({"arms": ["b=2:20@900000"]}, {"arms": [_arm("b", 200_000, 900_000)]}),
    "arms over 100 %": (
        {"arms": ["b=2:40", "c=3:40"]},
        {"arms": [_arm("b", 400_000), _arm("c", 400_000), _arm("control", 400_000)]},
    ),
    "more than 63 arms": (
        {"arms": [f"a{number}={number}:1" for number in range(2, 66)]},
        {"arms": [_arm(f"a{number}", 10_000) for number in range(2, 66)]},
    ),
}

_TEXT = st.text(max_size=40) | st.sampled_from(
    ["x-user", "X-User", "input:user", "input:größe", "input:", "a:b", "a\x7f"]
)
_NAME = re.compile(r"[A-Za-z][\w-]{0,70}", re.ASCII)
_SHARE = st.sampled_from([0.5, 1, 5, 7.5, 10, 12.3456789, 16.66665, 20, 30, 50]) | st.floats(0, 60)
_ARM = st.tuples(
    st.from_regex(_NAME, fullmatch=True) | st.from_regex(_NAME, fullmatch=True) | st.text(max_size=5),
    _SHARE,
    st.none() | st.none() | st.integers(0, 1_200_000),
)


def _texts(arms: list[tuple[str, float, int | None]]) -> list[str]:
    places = enumerate(arms, 2)
    return [f"{name}={v}:{share:.7f}" + ("" if begin is None else f"@{begin}") for v, (name, share, begin) in places]


_ARMS = (
    st.lists(_ARM, min_size=1, max_size=4)
    | st.lists(_ARM, min_size=1, max_size=2)
    | st.lists(_ARM, min_size=61, max_size=63)
).map(_texts)


def plans() -> st.SearchStrategy[dict[str, Any]]:
    """What somebody may say in a plan, most of it wrong."""
    common = {"model": st.text(min_size=1, max_size=150), "key": _TEXT}
    rollouts = st.fixed_dictionaries(
        common, optional={"steps": st.lists(_SHARE, min_size=1, max_size=4).map(sorted), "shadow": _SHARE}
    )
    experiments = st.fixed_dictionaries({"arms": _ARMS}, optional=common)
    return (rollouts | experiments).map(lambda values: {**BASE, **values})


def routes(values: Mapping[str, Any], token: str) -> list[Mapping[str, Any]]:
    """The routes of all states of a rollout that begins with this plan.

    Raises:
        InvalidArgument: it may not begin.
    """
    slow_us = {"p95": 9000}
    tried = parse_experiment(values, "here") if "arms" in values else None
    plan = parse_plan(values, "here") if tried is None else tried.plan
    place = Place(1, 2, name_of(plan.model, plan.to, token), "salt")
    entry = started(plan, place) if tried is None else started_experiment(tried, place)
    sides = Sides(place.name, place.salt, 1, 2, 2)
    ramp: list[dict[str, Any] | None]
    if tried is not None:
        ramp = [experiment_wish(sides, plan, (*tried.arms, tried.control), State.CANARY, slow_us)]
    else:
        steps = [(State.SHADOW, -1), *((State.CANARY, step) for step in range(len(plan.steps)))]
        ramp = [wish(sides, plan, state, step, slow_us) for state, step in steps]
    wishes: list[Mapping[str, Any] | None] = [entry.data["wish"], *ramp, wish(sides, plan, State.PROMOTING, 0, slow_us)]
    return [each["route"] for each in wishes if each is not None]
