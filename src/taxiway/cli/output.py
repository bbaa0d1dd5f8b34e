"""What every command prints with: a table for people, and with ``--json`` the same value for programs.

Results go to standard output, everything else to standard error. Tables fit 100 columns; colour only on a terminal.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taxiway.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "DEFAULT_SERVER",
    "INTERRUPTED",
    "json_option",
    "print_error",
    "print_line",
    "print_note",
    "print_table",
    "print_value",
    "server_option",
    "size_text",
    "tls_options",
    "wait_option",
]

MAX_COLUMNS = 100
INTERRUPTED = 130
"""The exit code after Ctrl-C."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def json_option(function: F) -> F:
    """Add ``--json``, passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def server_option(function: F) -> F:
    """Add ``--server URL``, passed as ``server``; ``TAXIWAY_SERVER`` gives it too."""
    return click.option(
        "--server",
        metavar="URL",
        envvar="TAXIWAY_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        help="Which server.",
    )(function)


def wait_option(default: float, sentence: str) -> Callable[[F], F]:
    """What adds ``--wait SECONDS``, passed as ``wait_seconds``: the longest that the admin API waits for."""
    return click.option(
        "--wait",
        "wait_seconds",
        type=click.FloatRange(0, 300),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=sentence,
    )


def tls_options(function: F) -> F:
    """Add ``--ca-file``, ``--cert-file`` and ``--key-file``, passed as the members of ``taxiway.client.Tls``."""
    for name, sentence in (
        ("key", "The key of --cert-file."),
        ("cert", "This client's certificate, where the server asks for one."),
        ("ca", "Who may have signed the server's certificate, of https:// and grpcs://."),
    ):
        function = click.option(f"--{name}-file", metavar="PEM", help=sentence)(function)
    return function


def print_value(value: T, as_json: bool, show: Callable[[T], None]) -> None:
    """Print ``value``: as JSON when ``as_json``, else by ``show``, which prints it for people."""
    if as_json:
        try:
            text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        except ValueError:
            # A loss may be NaN, which JSON does not have and few programs read.
            text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
        click.echo(text)
    else:
        show(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table.

    Args:
        columns: the headings; none is printed when all are empty.
        rows: one cell a column; None prints as nothing.
        right: headings of the columns to align right, as numbers are.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        # Text, not str: a model may be called "[red]", and rich would take that for markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    _console().print(table)


def print_line(text: str = "") -> None:
    """Print one line of a result."""
    click.echo(text)


def print_note(text: str) -> None:
    """Print a line that is not the result (progress, a remark) on standard error."""
    click.echo(text, err=True)


def print_error(what: str, hint: str | None = None) -> None:
    """Print ``error: what`` and, when there is one, ``hint: hint`` on standard error."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {what}", err=True)
    if hint:
        click.echo(f"{click.style('hint:', fg='yellow')} {hint}", err=True)


def size_text(size_bytes: int) -> str:
    """A size for people: ``812 B``, ``3.1 MB``; powers of a thousand."""
    size, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.1f} {units[0]}" if units[0] != "B" else f"{size_bytes} B"


def _finite(value: Any) -> Any:
    """The value with null in place of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _console() -> Console:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    # A pipe has no width; a very wide terminal should not tear a table apart.
    console.width = min(console.width, MAX_COLUMNS) if console.is_terminal else MAX_COLUMNS
    return console
