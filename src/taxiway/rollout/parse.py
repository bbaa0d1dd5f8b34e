"""A plan from words: the same keys and the same spelling in a file and as flags."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.rollout.demand import ReplayDemand
from taxiway.rollout.plan import KNOWN_GUARDS, Goal, Guard, RolloutPlan, Undecided

__all__ = ["KEYS", "over", "parse_plan", "parse_replay"]

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_SECONDS = (86400, 3600, 60, 1)
_RATIO = re.compile(r"x?(\d+(?:\.\d+)?)")
_HARM = re.compile(r"(\d+(?:\.\d+)?)%")
_POINTS = re.compile(r"\+?(\d+(?:\.\d+)?)pt")


_SHARES = frozenset({"steps", "at_most_affected"})


class _Wrong(Exception):
    """A value that is not what its key takes; the text says what it takes."""


def over(defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Two sources of values as one, where what is ``given`` counts more; steps and a budget say the same thing."""
    if _SHARES & given.keys():
        defaults = {key: value for key, value in defaults.items() if key not in _SHARES}
    return {**defaults, **given}


def parse_plan(values: Mapping[str, object], where: str) -> RolloutPlan:
    """The plan that ``values`` say, defaults for the rest.

    Args:
        values: by the names of :data:`KEYS`. A list may be written as text with commas, as a flag has it.
        where: what an error calls their source, "the command line" or a file.

    Raises:
        InvalidArgument: an unknown or missing key, a value of the wrong form, or a plan that cannot work.
    """
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0)[0]
            raise InvalidArgument(f"unknown key {key!r} in {where}", hint=f"did you mean {near!r}?")
    missing = [key for key in ("model", "to") if key not in values]
    if missing:
        raise InvalidArgument(f"{where} does not say {missing[0]!r}", hint="a plan names its model and the new version")
    if "steps" in values and "at_most_affected" in values:
        raise InvalidArgument(
            f"{where} gives both steps and at_most_affected", hint="the budget works the steps out; give one of them"
        )
    given = {}
    for key, value in values.items():
        field, read = KEYS[key]
        try:
            given[field] = read(value)
        except _Wrong as wrong:
            raise InvalidArgument(f"{key} = {value!r} in {where}", hint=f"{key} takes {wrong}") from None
    return replace(RolloutPlan("-", 0), **given)  # type: ignore[arg-type]


def parse_replay(values: Mapping[str, object], where: str) -> ReplayDemand | None:
    """The replay that a plan's ``values`` demand, which need not be a whole plan yet.

    Raises:
        InvalidArgument: it is of the wrong form.
    """
    if "replay" not in values:
        return None
    return parse_plan({"model": "-", "to": 0, "replay": values["replay"]}, where).replay


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("a name")
    return value


def _whole(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong("a whole number")
    return value


def _number(value: object, what: str) -> float:
    if isinstance(value, str):
        try:
            value = float(value.strip().removesuffix("%"))
        except ValueError:
            raise _Wrong(what) from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Wrong(what)
    return float(value)


def _percent(value: object) -> float:
    return _number(value, "a percentage, such as 10") / 100


def _items(value: object) -> list[object]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise _Wrong("a list")
    return list(value)


def _steps(value: object) -> tuple[float, ...]:
    shares = [_number(each, "percentages, such as 1,5,10,25,50") / 100 for each in _items(value)]
    # Promotion is what makes it all of it, so a closing 100 says nothing new.
    return tuple(shares[:-1] if len(shares) > 1 and shares[-1] == 1 else shares)


def _seconds(value: object) -> float:
    what = 'a duration, such as "90s", "10m", "2h" or "1h30m"'
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        return sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    raise _Wrong(what)


def _guards(value: object) -> tuple[Guard, ...]:
    if isinstance(value, str):
        # A comma within a guard stands before a margin, which begins with no letter but x.
        value = re.split(r",\s*(?=(?!x\d)[A-Za-z])", value)
    return tuple(_guard(each) for each in _items(value))


def _guard(value: object) -> Guard:
    """NAME or NAME=MARGIN,MARGIN with margins as xRATIO or POINTSpt for what is safe, HARM% for what is harm.

    A guard that allows little calls harm what is more than half of that.
    """
    what = "guards, such as errors, p95=x1.5 or errors=x2,0.5pt, and perhaps 10% more than which is harm"
    if not isinstance(value, str):
        raise _Wrong(what)
    name, equals, margins = value.strip().partition("=")
    known = KNOWN_GUARDS.get(name)
    if not equals:
        if known is None:
            raise _Wrong(f"{', '.join(KNOWN_GUARDS)}; what is called otherwise needs a margin, such as p50=x2")
        return known
    ratio = points = harm = None
    for margin in margins.split(","):
        if points is None and (match := _POINTS.fullmatch(margin.strip())):
            points = float(match[1]) / 100
        elif ratio is None and (match := _RATIO.fullmatch(margin.strip())):
            ratio = float(match[1])
        elif harm is None and (match := _HARM.fullmatch(margin.strip())):
            harm = float(match[1]) / 100
        else:
            raise _Wrong(what)
    guard = known or Guard(name)
    if ratio is None and points is None:
        ratio, points = guard.safe_ratio, guard.safe_points
    if harm is None:
        harm = guard.harm_margin if ratio is None else min(guard.harm_margin, max(ratio - 1, 0) / 2)
    return replace(guard, safe_ratio=ratio, safe_points=points, harm_margin=harm)


def _goal(value: object) -> Goal | None:
    what = 'a metric, such as revenue, or one that should fall, such as "cost:lower"'
    if not isinstance(value, str):
        raise _Wrong(what)
    name, _, direction = value.partition(":")
    if not name or direction not in ("", "higher", "lower"):
        raise _Wrong(what)
    return Goal(name, direction != "lower")


def _undecided(value: object) -> Undecided:
    try:
        return Undecided(value)
    except ValueError:
        raise _Wrong('"hold" (a person decides) or "ship"') from None


def _replay(value: object) -> ReplayDemand | None:
    """A table, text such as ``min_agreement=0.98,requests=500``, true or nothing for what is usual, false for none."""
    known: dict[str, Callable[[object], Any]] = {
        "requests": _whole,
        **dict.fromkeys(("min_agreement", "max_error_rate"), _fraction),
    }
    known |= dict.fromkeys(("max_slowdown", "tolerance"), lambda value: _number(value, "a number"))
    what = f"true, or a table of {', '.join(known)}"
    if isinstance(value, bool):
        return ReplayDemand() if value else None
    if isinstance(value, str):
        parts = [str(part).partition("=") for part in _items(value)]
        value = {name.strip(): text.strip() for name, _, text in parts}
    if not isinstance(value, Mapping) or not set(value) <= set(known):
        raise _Wrong(what)
    given = {}
    for name, each in value.items():
        try:
            given[name] = known[name](each)
        except _Wrong as wrong:
            raise _Wrong(f"{wrong} for {name}") from None
    return ReplayDemand(**given)


def _fraction(value: object) -> float:
    share = _number(value, "a fraction, such as 0.98 or 98%")
    return share / 100 if isinstance(value, str) and value.strip().endswith("%") else share


# key: (field of the plan, how its value is read)
KEYS: dict[str, tuple[str, Callable[[object], object]]] = {
    "model": ("model", _text),
    "to": ("to", _whole),
    "steps": ("steps", _steps),
    "guards": ("guards", _guards),
    "goal": ("goal", _goal),
    "shadow": ("shadow", _percent),
    "step_duration": ("step_seconds", _seconds),
    "step_units": ("step_units", _whole),
    "max_duration": ("max_seconds", _seconds),
    "at_most_affected": ("at_most_affected", _whole),
    "undecided": ("undecided", _undecided),
    "rollback_window": ("rollback_window_seconds", _seconds),
    "harm_alpha": ("harm_alpha", lambda value: _number(value, "a chance, such as 0.01")),
    "safe_alpha": ("safe_alpha", lambda value: _number(value, "a chance, such as 0.05")),
    "measure": ("measure_seconds", _seconds),
    "key": ("key", _text),
    "replay": ("replay", _replay),
    "max_crashes": ("max_crashes", _whole),
}
