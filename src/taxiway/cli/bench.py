"""``taxiway bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.load import Report, Window

__all__ = ["bench", "load_data", "numbers"]


def numbers(_: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """The whole numbers of ``1,4,16``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,4,16", param=option) from None


def load_data(file: str | None) -> Any:
    """What ``--data FILE`` holds: a recording as its path, anything else as inputs; None of None."""
    if (
        file is None
        or Path(file).is_dir()
        or ".tfrecord" in Path(file).name
        or Path(file).name.startswith("tf_serving")
    ):
        return file
    from taxiway.cli.rows import read_rows

    return read_rows(file)


@click.command(epilog="Example: taxiway bench grpc://localhost:8500 digits --data rows.npz --concurrency 1,16")
@click.argument("url")
@click.argument("model")
@click.option("--signature", metavar="NAME", help="Which signature to ask; serving_default otherwise.")
@click.option("--version", type=int, metavar="N", help="Ask this version.")
@click.option("--label", metavar="LABEL", help="Ask the version with this label.")
@click.option("--data", metavar="FILE", help="Rows (.npz, .npy, .csv, JSON) or recorded requests; made up otherwise.")
@click.option("--rows", type=int, default=1, show_default=True, metavar="N", help="Rows of a request.")
@click.option(
    "--concurrency", default="1,4,16,64", show_default=True, callback=numbers, metavar="N,…",
    help="Connections that ask at once, a window each.",
)  # fmt: skip
@click.option("--seconds", type=float, default=5.0, show_default=True, metavar="S", help="Length of a window.")
@click.option("--rate", type=float, metavar="R", help="So many requests a second, on time, answered or not.")
@click.option("--threads", type=int, metavar="N", help="Threads that send.  [default: half the cores]")
@click.option("--timeout", "timeout_seconds", type=float, default=30.0, show_default=True, help="Of a request, in s.")
@click.option("--output", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write bench.svg and .json.")
@output.tls_options
@output.json_option
def bench(url: str, model: str, *, data: str | None, folder: Path | None, as_json: bool, **options: Any) -> int:
    """Put load on the server at URL and measure MODEL's throughput and latencies.

    URL is http:// for REST, grpc:// for gRPC, https:// and grpcs:// over TLS, unix:///path for gRPC over a socket. Each
    connection has one request in flight. With --rate requests fall due at that rate, and the latency of each counts
    from that moment. Ctrl-C prints what was measured so far. Exits with 1 when nothing was answered, or when answers
    to the same request differ.
    """
    from taxiway.client import Tls
    from taxiway.load import bench as put_load

    files = {name: options.pop(name) for name in ("ca_file", "cert_file", "key_file")}
    tls = Tls(**files) if any(files.values()) else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InvalidArgument(f"{folder} is no directory.", hint="--output takes a directory, which is made.")
    report = put_load(url, model, load_data(data), tls=tls, say=output.print_note, **options)
    output.print_value(report.as_json(), as_json, lambda _: _show(report))
    if folder is not None:
        _write(report, folder)
    if report.interrupted:
        return output.INTERRUPTED
    return _judged(report)


def _judged(report: Report) -> int:
    for window in report.windows:
        if not window.answers:
            first = window.failures[0] if window.failures else None
            why = f": {first.code}: {first.message}" if first is not None else ""
            output.print_error(f"no request was answered at {window.concurrency} connections{why}")
            return 1
    if report.equality.different:
        output.print_error(f"{report.equality.different} answers differ from the first to the same request")
        return 1
    return 0


def _show(report: Report) -> None:
    version = "" if report.version is None else f" version {report.version}"
    output.print_line(f"{report.model}{version}, {report.signature}: {report.requests}, {_size(report)} each")
    output.print_line()
    columns = ["CONNECTIONS", "ANSWERS/S", "P50 MS", "P95 MS", "P99 MS", "P99.9 MS", "MAX MS", "ANSWERS", "ERRORS"]
    output.print_table(columns, [_row(window) for window in report.windows], right=columns)
    for window in report.windows:
        for one in window.failures:
            output.print_line(f"{window.concurrency}: {one.count:,} × {one.code}: {one.message}")
    if report.notes:
        output.print_line()
    for note in report.notes:
        output.print_line(f"- {note}")


def _row(window: Window) -> tuple[Any, ...]:
    from taxiway.load.window import PERCENTILES

    times = [window.milliseconds(percent) for percent in PERCENTILES.values()]
    longest = max(window.latencies) / 1e6 if window.latencies else None
    cells = ["-" if value is None else f"{value:.2f}" for value in (*times, longest)]
    return (window.concurrency, f"{window.throughput:,.0f}", *cells, f"{window.answers:,}", f"{window.failed:,}")


def _size(report: Report) -> str:
    return output.size_text(round(report.request_bytes))


def _write(report: Report, folder: Path) -> None:
    from taxiway.load.picture import PICTURE_FILE, picture

    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURE_FILE).write_text(picture(report), encoding="utf-8")
    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
    (folder / "bench.json").write_text(text + "\n", encoding="utf-8")
    output.print_note(f"wrote {folder / PICTURE_FILE} and {folder / 'bench.json'}")
