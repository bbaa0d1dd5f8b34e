"""``taxiway history``."""

from __future__ import annotations

import datetime

import click

from taxiway.cli import output
from taxiway.client import operate
from taxiway.types import JsonObject

__all__ = ["history"]


# Rules that say nothing beside the state, and changes whose reason stands at the one before.
_AS_EXPECTED, _DONE = ("BEGIN", "ARRIVED"), ("PROMOTED", "ROLLED_BACK")
_OF_SERVERS = {
    "rollout-joined": "a server goes on with it",
    "rollout-left": "a server was stopped in order",
    "rollout-crashed": "a server ended in no order, and is back",
}


@click.command(epilog="Example: taxiway history digits --limit 5")
@click.argument("model", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most how many.")
@output.server_option
@output.json_option
def history(model: str | None, limit: int, server: str, as_json: bool) -> None:
    """Show what was changed, when and by whom, the newest first."""
    events = operate.history(model, limit=limit, server=server)
    output.print_value(events, as_json, _show)


def _show(events: list[JsonObject]) -> None:
    if not events:
        output.print_line("nothing was changed yet")
        return
    rows = [[_when(e["at"]), e["model"], e["kind"], _detail(e["kind"], e["data"]), e["who"]] for e in events]
    output.print_table(("WHEN (UTC)", "MODEL", "WHAT", "DETAIL", "WHO"), rows)


def _of_rollout(kind: str, data: JsonObject) -> str:
    said, because = _rule(str(data.get("rule", ""))), data.get("because", "")
    if kind != "rollout-changed":
        return f"{said} ({because})" if said and because else said or str(because)
    place = f"{data['state']}, step {data['step'] + 1}" if data["state"] == "canary" else str(data["state"])
    if data["rule"] in _AS_EXPECTED or data["change"] in _DONE:
        return place
    if data["rule"] == "BY_HAND":
        verb, by, _ = str(because).partition(" by ")
        return f"{place}: {verb} by hand" if by else f"{place}: by hand"
    return f"{place}: {said} ({because})" if because else f"{place}: {said}"


def _rule(name: str) -> str:
    from taxiway.rollout.decide import Rule

    return Rule[name].value if name in Rule.__members__ else name.lower().replace("_", " ")


def _when(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _detail(kind: str, data: JsonObject) -> str:
    if kind in ("rollback", "rollout-started"):
        return f"from {data['from']} to {data['to']}"
    if kind in _OF_SERVERS:
        return _OF_SERVERS[kind] + (f" ({data['server']})" if data["server"] else "")
    if kind == "rollout-led":
        gone = f", after {data['after']} ended in no order" if data["crashed"] else ""
        return f"{data['server']} judges it from now on{gone}"
    if kind.startswith("rollout-"):
        return _of_rollout(kind, data)
    version = data.get("version")
    if kind == "adopt":
        return "newer versions wait no more" if version is None else f"{version}; newer ones wait for a rollout"
    return "all" if version is None else str(version)
