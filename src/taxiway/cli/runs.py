"""``taxiway runs``: what was trained."""

from __future__ import annotations

from typing import Any

import click

from taxiway.cli import output


@click.group(epilog="Example: taxiway runs list")
def runs() -> None:
    """Show what was trained."""


_runs_option = click.option("--runs", "place", default="runs", show_default=True, help="Where the runs are.")


@runs.command("list", epilog="Example: taxiway runs list")
@_runs_option
@output.json_option
def list_command(place: str, as_json: bool) -> None:
    """List the runs, newest first."""
    from taxiway.train.runs import list_runs

    output.print_value([run.as_json() for run in list_runs(place)], as_json, _table)


@runs.command(epilog="Example: taxiway runs show 2026-11-21T10-00-00-digits")
@click.argument("run")
@_runs_option
@output.json_option
def show(run: str, place: str, as_json: bool) -> None:
    """Show a RUN: what it was asked, on what it ran, and its metrics."""
    from taxiway.train.runs import open_run

    found = open_run(run, place)
    output.print_value({**found.as_json(), "record": found.record, "history": found.history}, as_json, _show)


@runs.command(epilog="Example: taxiway runs compare RUN OTHER")
@click.argument("names", metavar="RUN…", nargs=-1, required=True)
@_runs_option
@output.json_option
def compare(names: tuple[str, ...], place: str, as_json: bool) -> None:
    """Show several RUNs side by side."""
    from taxiway.train.runs import open_run

    output.print_value([open_run(name, place).as_json() for name in names], as_json, _side_by_side)


def _table(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ["RUN", "STATUS", "STRATEGY", "EPOCHS", "METRICS"],
        [(row["id"], row["status"], row["strategy"], row["epochs"], _figures(row["metrics"])) for row in rows],
        right=["EPOCHS"],
    )
    stopped = next((row for row in rows if row["status"] == "interrupted"), None)
    if stopped is not None:
        output.print_note(f"Interrupted runs go on with: taxiway train --resume {stopped['path']}")


def _show(document: dict[str, Any]) -> None:
    record = document["record"]
    facts = {name: document[name] for name in ("id", "path", "job", "status", "strategy")}
    facts.update({name: record[name] for name in ("replicas", "seconds", "error") if name in record})
    output.print_table(["", ""], [*facts.items(), *document["params"].items(), *record.get("code", {}).items()])
    output.print_line()
    output.print_table(
        ["EPOCH", "METRICS"],
        [(one["epoch"], _figures({k: v for k, v in one.items() if k != "epoch"})) for one in document["history"]],
    )


def _side_by_side(rows: list[dict[str, Any]]) -> None:
    facts = [{"status": row["status"], "strategy": row["strategy"], **row["params"], **row["metrics"]} for row in rows]
    names = dict.fromkeys(name for one in facts for name in one)
    output.print_table(["", *(row["id"] for row in rows)], [(n, *(_text(one.get(n)) for one in facts)) for n in names])


def _text(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _figures(metrics: dict[str, Any]) -> str:
    return "  ".join(f"{name} {_text(value)}" for name, value in metrics.items())
