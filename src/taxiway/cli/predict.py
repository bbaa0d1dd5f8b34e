"""``taxiway predict``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.client import Answer

MAX_ROWS = 20
MAX_CELL_CHARACTERS = 60


@click.command(epilog="Example: taxiway predict digits --input rows.npy --server grpc://localhost:8500")
@click.argument("model", metavar="MODEL[:VERSION]")
@click.option(
    "--input", "rows", required=True, metavar="FILE", help="JSON, .npy, .npz or .csv; - reads JSON from stdin."
)
@click.option("--signature", metavar="NAME", help="Which signature to ask; serving_default otherwise.")
@click.option("--label", metavar="LABEL", help="Ask the version with this label.")
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="Only this output; may be repeated.")
@click.option("--timeout", "timeout_seconds", type=float, default=60.0, show_default=True, help="Seconds to wait.")
@click.option(
    "--routing-key", metavar="KEY", help="Whose the request is: the same key gets the same version during a rollout."
)
@output.tls_options
@output.server_option
@output.json_option
def predict(
    *,
    model: str,
    rows: str,
    signature: str | None,
    label: str | None,
    outputs: tuple[str, ...],
    timeout_seconds: float,
    routing_key: str | None,
    server: str,
    as_json: bool,
    **files: str | None,
) -> None:
    """Ask a server's MODEL for the rows in a file."""
    from taxiway.cli.rows import read_rows
    from taxiway.client import Client, Tls

    name, colon, number = model.partition(":")
    if colon and not number.isdecimal():
        raise InvalidArgument(f"{number!r} is no version.", hint="Write MODEL or MODEL:VERSION.")
    inputs = read_rows(rows)
    tls = Tls(**files) if any(files.values()) else None
    with Client(server, timeout_seconds=timeout_seconds, tls=tls) as client:
        answer = client.predict(
            name,
            inputs,
            signature=signature,
            version=int(number) if colon else None,
            label=label,
            outputs=outputs,
            routing_key=routing_key,
        )
    if as_json:
        output.print_value(_document(answer), True, lambda _: None)
    else:
        _show(answer)


def _document(answer: Answer) -> dict[str, Any]:
    return {
        "model": answer.model,
        "version": answer.version,
        "request_id": answer.request_id,
        "arm": answer.arm,
        "outputs": {name: plain(array.tolist()) for name, array in answer.items()},
    }


def plain(value: Any) -> Any:
    """A value as JSON: bytes as text where they are, else as TensorFlow Serving's ``b64``."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, complex):
        return [value.real, value.imag]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _show(answer: Answer) -> None:
    show_outputs(answer)
    # Beside the result, not in it: what is piped on stays a table.
    arm = "" if answer.arm is None else f", arm {answer.arm}"
    version, request = answer.version or "unknown", answer.request_id or "unknown"
    output.print_note(f"{answer.model} version {version}, request {request}{arm}")


def show_outputs(answer: Mapping[str, Any]) -> None:
    """Print arrays by name as a table, a line a row where all have as many."""
    counts = {len(array) if array.ndim else None for array in answer.values()}
    if None in counts or len(counts) != 1:
        # No common rows: one line an output.
        lines = [(name, f"{array.dtype}{list(array.shape)}", _cell(array.tolist())) for name, array in answer.items()]
        output.print_table(["OUTPUT", "", "VALUE"], lines)
    else:
        count = counts.pop() or 0
        columns = [array[:MAX_ROWS].tolist() for array in answer.values()]
        output.print_table(
            ["ROW", *answer], [(i, *(_cell(column[i]) for column in columns)) for i in range(min(count, MAX_ROWS))]
        )
        if count > MAX_ROWS:
            output.print_line(f"… and {count - MAX_ROWS} more rows (--json prints all)")


def _cell(value: Any) -> str:
    value = plain(value)
    text = value if isinstance(value, str) else _number_text(value)
    return text if len(text) <= MAX_CELL_CHARACTERS else f"{text[: MAX_CELL_CHARACTERS - 1]}…"


def _number_text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_number_text, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
