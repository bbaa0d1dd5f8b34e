"""``taxiway rollback``."""

from __future__ import annotations

import click

from taxiway.cli import output
from taxiway.client import operate
from taxiway.errors import DeadlineExceeded
from taxiway.types import JsonObject

__all__ = ["rollback"]


@click.command(epilog="Example: taxiway rollback digits")
@click.argument("model")
@click.option("--to", type=int, metavar="VERSION", help="Go back to this version.  [default: the one before]")
@output.wait_option(60.0, "How long to wait when it must be loaded first.")
@output.server_option
@output.json_option
def rollback(model: str, to: int | None, wait_seconds: float, server: str, as_json: bool) -> None:
    """Put the previous version back.

    A rollout under way ends, and its version is the one that is gone back from. That version is held: it is not served
    again until a newer one is published, or `taxiway release` says so. The version put back is loaded first when it is
    no longer in memory; no request fails meanwhile.
    """
    done = operate.rollback(model, to, server=server, wait_seconds=wait_seconds)
    output.print_value(done, as_json, _show)
    if not done["done"]:
        raise DeadlineExceeded(
            f"version {done['to']} of {model} is still loading; version {done['from']} serves until then",
            hint=f"taxiway status {model}",
        )


def _show(done: JsonObject) -> None:
    if done["done"]:
        held = f", version {done['from']} is held" if done["from"] is not None else ""
        output.print_line(f"{done['model']}: version {done['to']} answers{held}")
