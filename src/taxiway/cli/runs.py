"""``taxiway runs``: what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taxiway.cli import output
from taxiway.errors import InvalidArgument


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


@runs.command(epilog="Example: taxiway runs report 2026-11-21T10-00-00-digits")
@click.argument("run")
@_runs_option
def report(run: str, place: str) -> None:
    """Write the learning curves and report.html of a RUN anew, and print the report's path."""
    from taxiway.train import report as write_report
    from taxiway.train.runs import open_run

    output.print_line(str(write_report(open_run(run, place).path)))


@runs.command(epilog="Example: taxiway runs compare RUN OTHER --picture losses.svg --metric val_loss")
@click.argument("names", metavar="RUN…", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all of them.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw their curves: .svg or .png.")
@click.option("--metric", metavar="NAME", help="Which one is drawn; val_loss, or loss where one run has none.")
@_runs_option
@output.json_option
def compare(
    names: tuple[str, ...], everything: bool, picture: Path | None, metric: str | None, place: str, as_json: bool
) -> None:
    """Show what differs between several RUNs."""
    from taxiway.train.history import first_choice
    from taxiway.train.report.compare import compared
    from taxiway.train.report.curves import overlay
    from taxiway.train.runs import open_run

    if metric and picture is None:
        raise InvalidArgument("--metric says what is drawn, and no --picture was asked for.", hint="--picture out.svg")
    found = [open_run(name, place) for name in names]
    if picture is not None:
        histories = {run.id: run.history for run in found}
        validated = all(first_choice(history) == "val_loss" for history in histories.values())
        overlay(histories, metric or ("val_loss" if validated else "loss"), picture)
        output.print_note(f"drew {picture}")
    document = {"runs": [run.id for run in found], "facts": compared(found, everything)}
    output.print_value(document, as_json, _side_by_side)


def _table(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ["RUN", "STATUS", "STRATEGY", "EPOCHS", "TIME", "METRIC", "BEST", "LAST"],
        [(row["id"], row["status"], row["strategy"], row["epochs"], _time(row["seconds"]), *_key(row)) for row in rows],
        right=["EPOCHS", "TIME"],
    )
    stopped = next((row for row in rows if row["status"] == "interrupted"), None)
    if stopped is not None:
        output.print_note(f"Interrupted runs go on with: taxiway train --resume {stopped['path']}")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    """The metric that epochs are compared by: its name, its best value with the epoch, its last value."""
    best = row["best"]
    if best is None:
        return "", "", ""
    name = "val_loss" if "val_loss" in best else "loss"
    return name, f"{_text(best[name])} @{best['epoch']}", _text(row["metrics"].get(name))


def _show(document: dict[str, Any]) -> None:
    record, best = document["record"], document["best"]
    facts = {name: document[name] for name in ("id", "path", "report", "job", "status", "strategy")}
    facts.update({name: record[name] for name in ("replicas", "error") if name in record})
    facts |= {"started": document["started_at"], "time": _time(document["seconds"])}
    facts["best epoch"] = "" if best is None else best["epoch"]
    facts |= {**document["params"], **record.get("code", {})}
    output.print_table(["", ""], [(name, value) for name, value in facts.items() if value not in (None, "")])
    output.print_line()
    names = list(dict.fromkeys(name for one in document["history"] for name in one))
    output.print_table(
        [name.upper() for name in names],
        [[_text(one.get(name)) for name in names] for one in document["history"]],
        right=[name.upper() for name in names],
    )


def _side_by_side(document: dict[str, Any]) -> None:
    letters = [_letter(number) for number in range(len(document["runs"]))]
    output.print_table(["", "RUN"], list(zip(letters, document["runs"], strict=True)))
    output.print_line()
    if not document["facts"]:
        output.print_line("Nothing differs.")
        return
    rows = [(name, *(_text(value) for value in values)) for name, values in document["facts"].items()]
    output.print_table(["", *letters], rows)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _text(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
