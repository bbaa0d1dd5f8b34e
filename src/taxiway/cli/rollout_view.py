"""A rollout for people: a table, and one line."""

from __future__ import annotations

from taxiway.cli import output
from taxiway.types import JsonObject

__all__ = ["duration_text", "line_of", "show"]

_ARMS = ("ARM", "VERSION", "SHARE", "ANSWERED", "USERS", "BAD")
_OF_ROLLOUTS = ("canary", "control", "shadow", "stable")
# What is waited for, and what comes then, where the state says it better than the rule.
_WAITING = {
    "warming": "the new version is being loaded",
    "promoting": "until the new version answers all requests",
    "rolling back": "until the old version answers all requests",
}
_NEXT = {"pending": "the new version is loaded", "promoting": "it is live", "rolling back": "it is rolled back"}
_GUARDS = ("GUARD", "NEW / OLD", "BETWEEN", "AND", "MORE REQUESTS", "FINDING")


def show(rollout: JsonObject) -> None:
    """Print a rollout as tables."""
    output.print_line(_title(rollout) + (f", {_pace(rollout['requests_per_second'])}" if _is_paced(rollout) else ""))
    if rollout["arms"]:
        output.print_line()
        output.print_table(_ARMS, [_arm(arm) for arm in rollout["arms"]], right=_ARMS[1:5])
    if rollout["guards"]:
        output.print_line()
        rows = [_guard(guard, over=rollout["over"]) for guard in rollout["guards"]]
        output.print_table(_GUARDS, rows, right=_GUARDS[1:5])
    if rollout.get("shadow"):
        output.print_line(f"shadow: {_shadow(rollout['shadow'])}")
    if rollout["goal"]:
        output.print_line(f"goal {rollout['goal_name']}: {_goal(rollout['goal'])}")
    for name, goal in rollout.get("goals", {}).items():
        output.print_line(f"goal {rollout['goal_name']} of {name}: {_goal(goal)}")
    if rollout.get("replay"):
        output.print_line()
        output.print_line(f"replay: {_replay(rollout['replay'])}")
    if rollout["crashes"]:
        output.print_line(f"crashes: {rollout['crashes']} of {rollout['max_crashes']} that put the old version back")
    if rollout.get("leader") and not rollout["over"]:
        output.print_line(f"judged by: {rollout['leader']}")
    output.print_line()
    output.print_line(_reason(rollout))
    for note in rollout["notes"]:
        output.print_note(f"warning: {note}")
    if rollout.get("journal_problem"):
        output.print_note(f"warning: {rollout['journal_problem']}")


def line_of(rollout: JsonObject) -> str:
    """The rollout in one line."""
    arms = [f"{arm['arm']} {arm['answered']} answered, {_bad(arm)} bad" for arm in rollout["arms"]]
    guards = [" ".join((guard["name"], _bounds(guard)[0], guard["finding"])) for guard in rollout["guards"]]
    return " · ".join([_title(rollout), *arms, *guards, _reason(rollout)])


def duration_text(seconds: float | None) -> str:
    """A duration as two units at most: ``45 s``, ``12 min``, ``1 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _title(rollout: JsonObject) -> str:
    step = f", step {rollout['step']} of {len(rollout['steps'])}" if rollout["step"] and not rollout["over"] else ""
    arms = [f"{arm['version']} ({arm['arm']})" for arm in rollout["arms"] if arm["arm"] not in _OF_ROLLOUTS]
    where = f"{' and '.join(arms)} beside {rollout['from']}" if arms else f"{rollout['from']} to {rollout['to']}"
    return f"{rollout['model']}: version {where}, {rollout['state']}{step}"


def _arm(arm: JsonObject) -> list[object]:
    bad = ", ".join(f"{name} {count:,}" for name, count in arm["bad_answers"].items() if count or name == "errors")
    return [arm["arm"], arm["version"], f"{arm['share']:g} %", f"{arm['answered']:,}", f"{arm['units']:,}", bad]


def _guard(guard: JsonObject, *, over: bool) -> list[object]:
    more, seconds = guard["requests_to_decide"], guard.get("seconds_to_decide")
    needs = "cannot be told" if more is None else f"{more:,}" + (f" ({duration_text(seconds)})" if seconds else "")
    return [guard["name"], *_bounds(guard), "" if over else needs, guard["finding"]]


def _bounds(guard: JsonObject) -> list[str]:
    """Estimate, low and high: how many times as bad, or how many points better; not what says nothing yet."""
    estimate, low, high = (guard[bound] for bound in ("estimate", "low", "high"))
    if guard.get("in_points", guard["name"] == "accuracy"):
        unknown = low is None or high is None or (low, high) == (-1, 1)
        return ["?", "", ""] if unknown else [f"{100 * value:+.1f} pt" for value in (estimate, low, high)]
    if high is None and not low:
        return ["?", "", ""]
    return [_ratio(estimate), _ratio(low or 0.0), "any" if high is None else _ratio(high)]


def _shadow(shadow: JsonObject) -> str:
    differ, flips = f"{shadow['differing_rows']:,} of {shadow['rows']:,} rows differ", ""
    if shadow["ranked_rows"]:
        flips = f", {shadow['top1_flips']:,} of {shadow['ranked_rows']:,} have another class first"
    largest = shadow["largest_difference"]
    most = f", by {largest:.3g} at most" if isinstance(largest, float) and largest else ""
    unlike = f", {shadow['unlike']:,} answers are of another shape" if shadow.get("unlike") else ""
    return f"{shadow['compared']:,} answers compared, {differ}{most}{flips}{unlike}"


def _goal(goal: JsonObject) -> str:
    more = goal["observations_to_decide"]
    if goal["low"] is None or goal["high"] is None:
        return f"{goal['finding']}, not enough was told by feedback yet"
    needs = "" if more is None else f", about {more:,} more observations"
    bounds = f"between {_number(goal['low'])} and {_number(goal['high'])}"
    return f"{_number(goal['estimate'])} {bounds}, {goal['finding']}{needs}"


def _replay(replay: JsonObject) -> str:
    asked = f"{replay['asked']} of {replay['requests']} recorded requests"
    if not replay["done"] or replay["problem"]:
        return asked
    slowdown = f", takes {replay['slowdown']:.3g} times as long" if replay["slowdown"] is not None else ""
    refused = f"{100 * replay['error_rate']:.4g} % refused by the new version alone"
    return f"{asked}, {100 * replay['agreement']:.4g} % agree, {refused}{slowdown}"


def _reason(rollout: JsonObject) -> str:
    step = rollout["next"]
    if step is None:
        if rollout["rule"] == "BY_HAND":
            return f"over: {rollout['because']}"
        because = f" ({rollout['because']})" if rollout["because"] else ""
        return f"over: {rollout['text']}{because}"
    if step["rule"] in ("BEGIN", "ARRIVED"):
        return f"next: {_NEXT.get(rollout['state'], step['change'])}"
    if step["rule"] == "UNDER_WAY":
        return f"waiting: {step['because'] or _WAITING.get(rollout['state'], step['text'])}"
    because = f" ({step['because']})" if step["because"] else ""
    follows = f"; then: {step['change']}" if step["change"] else ""
    calls = "; a person has to decide" if step["call_somebody"] else ""
    return f"next: {step['text']}{because}{follows}{calls}"


def _bad(arm: JsonObject) -> int:
    return int(arm["bad_answers"].get("errors", 0))


def _ratio(value: float | None) -> str:
    return "?" if value is None else f"x{value:.2f}"


def _is_paced(rollout: JsonObject) -> bool:
    """Whether its traffic says something: nothing is counted before it is measured."""
    return not rollout["over"] and (
        rollout["state"] not in ("pending", "warming") or rollout["requests_per_second"] > 0
    )


def _pace(per_second: float) -> str:
    return f"{per_second:,.0f} requests a second" if per_second >= 100 else f"{per_second:.3g} requests a second"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4g}"
