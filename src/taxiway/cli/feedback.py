"""``taxiway feedback``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from taxiway.cli import output

__all__ = ["feedback"]

_MAX_KEPT = 100
_MAX_SHOWN = 20
_MEANINGS = {
    "joined": "joined with their answers",
    "repeated": "said before",
    "unknown": "of answers not remembered",
    "refused": "do not fit their answers",
    "malformed": "malformed",
}


@click.command(epilog="Example: taxiway feedback digits --input labels.csv")
@click.argument("model")
@click.option("--input", "rows", required=True, metavar="FILE", help="CSV, JSON or JSON lines; - reads stdin.")
@click.option("--at-once", type=click.IntRange(1, 64), default=8, show_default=True, help="How many together.")
@click.option("--timeout", "timeout_seconds", type=float, default=60.0, show_default=True, help="Seconds for each.")
@output.tls_options
@output.server_option
@output.json_option
def feedback(
    *,
    model: str,
    rows: str,
    at_once: int,
    timeout_seconds: float,
    server: str,
    as_json: bool,
    **files: str | None,
) -> int:
    """Say what became of MODEL's answers: labels that arrive as a file.

    A row has the request_id of an answer and one of label (the right class), value (a number that it led to) and
    correct (true or false). Answers are remembered while a route shares requests out, for a time; those that are not,
    or no longer, are counted as unknown. Saying the same again does no harm. Exits 1 when no row found its answer.
    """
    from taxiway.cli.feedback_rows import read_feedback
    from taxiway.client import Client, Tls

    malformed = _Malformed()
    tls = Tls(**files) if any(files.values()) else None
    with Client(server, timeout_seconds=timeout_seconds, tls=tls) as client:
        counts = client.feedback_many(model, read_feedback(rows, malformed), at_once=at_once)
    problems = [*malformed.first, *((one.where, reason) for one, reason in counts.refusals)]
    document = {
        "model": model,
        "joined": counts.joined,
        "repeated": counts.repeated,
        "unknown": counts.unknown,
        "refused": counts.refused,
        "malformed": malformed.count,
        "problems": [{"where": where, "problem": problem} for where, problem in problems],
    }
    output.print_value(document, as_json, _show)
    if counts.joined or counts.repeated:
        return 0
    output.print_error("no row found its answer", counts.unknown_because or None)
    return 1


class _Malformed:
    """Counts rows that say nothing of use, and keeps the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[str, str]] = []

    def __call__(self, where: str, problem: str) -> None:
        self.count += 1
        if self.count <= _MAX_KEPT:
            self.first.append((where, problem))


def _show(found: Mapping[str, Any]) -> None:
    output.print_table(["", "ROWS"], [(text, found[name]) for name, text in _MEANINGS.items()], right=["ROWS"])
    shown, count = found["problems"][:_MAX_SHOWN], found["refused"] + found["malformed"]
    for one in shown:
        output.print_note(f"{one['where']}: {one['problem']}")
    if count > len(shown):
        output.print_note(f"… and {count - len(shown)} more")
