"""``taxiway hold`` and ``taxiway release``."""

from __future__ import annotations

import click

from taxiway.cli import output
from taxiway.client import operate
from taxiway.types import JsonObject

__all__ = ["hold", "release"]


@click.command(epilog="Example: taxiway hold digits 4")
@click.argument("model")
@click.argument("version", type=int)
@output.server_option
@output.json_option
def hold(model: str, version: int, server: str, as_json: bool) -> None:
    """Keep a version from being served."""
    done = operate.hold(model, version, server=server)
    output.print_value(done, as_json, _show)


@click.command(epilog="Example: taxiway release digits")
@click.argument("model")
@click.argument("version", type=int, required=False)
@output.server_option
@output.json_option
def release(model: str, version: int | None, server: str, as_json: bool) -> None:
    """Let held versions be served again.

    Without VERSION all are, and a rollback ends: the newest version answers.
    """
    done = operate.release(model, version, server=server)
    output.print_value(done, as_json, _show)


def _show(done: JsonObject) -> None:
    held = ", ".join(map(str, done["held"])) or "none"
    output.print_line(f"{done['model']}: held versions: {held}")
