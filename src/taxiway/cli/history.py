"""``taxiway history``."""

from __future__ import annotations

import datetime

import click

from taxiway.cli import output
from taxiway.client import operate
from taxiway.types import JsonObject

__all__ = ["history"]


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
    said = data.get("rule", "").lower().replace("_", " ")
    because = f" ({data['because']})" if data.get("because") else ""
    if kind == "rollout-changed":
        step = f", step {data['step'] + 1}" if data["state"] == "canary" else ""
        return f"{data['state']}{step}: {said}{because}"
    return f"{said}{because}".strip()


def _when(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _detail(kind: str, data: JsonObject) -> str:
    if kind in ("rollback", "rollout-started"):
        return f"{data['from']} to {data['to']}"
    if kind.startswith("rollout-"):
        return _of_rollout(kind, data)
    return "all" if data.get("version") is None else str(data["version"])
