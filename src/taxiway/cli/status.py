"""``taxiway status``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from taxiway.cli import output
from taxiway.client.admin import Admin, get_json
from taxiway.errors import NotFound, Unavailable

__all__ = ["status"]

_COLUMNS = ("MODEL", "VERSION", "STATE", "SHARE", "ENGINE", "LOAD MS", "RUN US", "NOTE")
_RIGHT = ("VERSION", "SHARE", "LOAD MS", "RUN US")


@click.command(epilog="Example: taxiway status digits")
@click.argument("model", required=False)
@output.server_option
@output.json_option
def status(model: str | None, server: str, as_json: bool) -> int:
    """Show which versions serve, and why others do not.

    The version with a star answers requests that name none. Exit code 1 when a model does not serve.
    """
    models = _models(server, model)
    output.print_value(models, as_json, _show)
    return 0 if all(one["ready"] for one in models) else 1


def _models(server: str, model: str | None) -> list[dict[str, Any]]:
    client = Admin(server)
    try:
        if model is not None:
            return [client.get(f"models/{quote(model, safe='')}")]
        document = client.get("status")
        if document.get("journal_problem"):
            output.print_note(f"warning: {document['journal_problem']}")
        return list(document["models"])
    except Unavailable:
        return _from_serving_port(server, model)


def _from_serving_port(server: str, model: str | None) -> list[dict[str, Any]]:
    """What the serving port tells, of any server that speaks TensorFlow Serving's routes."""
    if model is None:
        listed = get_json(server, "/v1/models").get("models", [])
        names = [one["name"] if isinstance(one, dict) else str(one) for one in listed]
    else:
        names = [model]
    return [_from_route(server, name) for name in names]


def _from_route(server: str, name: str) -> dict[str, Any]:
    document = get_json(server, f"/v1/models/{quote(name, safe='')}")
    if not isinstance(document, dict) or "model_version_status" not in document:
        raise NotFound(f"{server} tells nothing about model {name}")
    versions = [
        {
            "version": int(one["version"]),
            "state": one["state"],
            "default": False,
            "note": one["status"]["error_message"],
            "engine": None,
            "load_ms": None,
            "run_us": None,
        }
        for one in document["model_version_status"]
    ]
    serving = [one for one in versions if one["state"] == "AVAILABLE"]
    return {"name": name, "ready": bool(serving), "reason": "", "versions": versions}


def _show(models: list[dict[str, Any]]) -> None:
    if not models:
        output.print_line("no models")
        return
    rows = [row for model in models for row in _rows(model)]
    output.print_table(_COLUMNS, rows, right=_RIGHT)
    if len(models) == 1:
        _show_choices(models[0]["versions"])


def _show_choices(versions: list[dict[str, Any]]) -> None:
    from taxiway.serve.engines import batching_lines, choice_lines

    for one in versions:
        for line in choice_lines(one.get("choice")) + batching_lines(one.get("batching")):
            output.print_line(f"version {one['version']}: {line}")


def _rows(model: dict[str, Any]) -> list[list[object]]:
    name = model["name"]
    rows: list[list[object]] = []
    for one in model["versions"]:
        numbers = [f"{one[key]:,.0f}" if one[key] is not None else "" for key in ("load_ms", "run_us")]
        star = "* " if one["default"] else ""
        share = f"{100 * one['share']:g} %" if one.get("share") else ""
        rows.append([name, f"{star}{one['version']}", one["state"], share, one["engine"], *numbers, one["note"]])
        name = ""
    if not model["ready"]:
        rows.append([name, "", "NOT SERVING", "", "", "", "", model["reason"]])
    return rows
