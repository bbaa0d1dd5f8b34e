"""``taxiway edge``: files for phones and boards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.cli.edge_prune import prune
from taxiway.cli.edge_run import run
from taxiway.cli.store import store_option
from taxiway.contract.report import SIGNATURE_COLUMNS
from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.contract import Report, Variant
    from taxiway.edge import Built

__all__ = ["edge", "show_report"]

_VARIANTS = "float32,dynamic,float16,int8,int4"


@click.group(epilog="Example: taxiway edge build digits --data rows.npz")
def edge() -> None:
    """Make files of a model for phones and boards, and run them."""


edge.add_command(prune)
edge.add_command(run)


@edge.command(epilog="Example: taxiway edge build digits:3 --variants int8,float16 --data rows.npz --labels labels")
@click.argument("model", metavar="MODEL[:VERSION]|PATH")
@store_option
@click.option("--variants", default=_VARIANTS, show_default=True, metavar="A,B,…", help="Which to make; int8-io too.")
@click.option("--data", metavar="PATH", help="Real rows.  [default: the version's warm-up requests]")
@click.option("--labels", metavar="NAME", help="The array of true classes in the .npz.  [default: labels, if there]")
@click.option("--contract", metavar="TERMS", help="What each must hold to.  [default: agreement>=0.99@0.95]")
@click.option("--recommend", metavar="LIMITS", help="Say which to take: bytes<=200k, latency_us<=100.")
@click.option(
    "--signature", default="serving_default", show_default=True, metavar="A,B,…", help="Which ones devices get."
)
@click.option("--classes", metavar="A,B,…|FILE", help="Names of the classes, to stand in the file.")
@click.option("--batches", metavar="1,4,8", help="Signatures for these numbers of rows as well, in the same file.")
@click.option("--scores", metavar="OUTPUT", help="The output with scores of classes, where it cannot be told.")
@click.option("--unroll", is_flag=True, help="Recurrent layers of a Keras file without loops.")
@click.option("--out", metavar="DIR", help="Where to.  [default: the version's own artifacts/edge]")
@output.json_option
def build(model: str, variants: str, signature: str, batches: str | None, as_json: bool, **options: Any) -> int:
    """Make LiteRT files of a model, and write those that answer like it.

    PATH is a SavedModel's directory or a Keras file. --data is an .npz file with an array for each input, an .npy file,
    or a recording of requests. Each variant is converted, run on every row and compared with the model's own answers;
    one that does not hold to the contract is listed as refused and not written.

    Models that loop over time take one row at a time. With --unroll those of a Keras file do every step by itself:
    larger, and for any number of rows.

    With --batches the file has a signature more for each number of rows, serving_default_4, and the weights once: for
    runtimes that take no other number than they were made for. Every signature is held to the contract.

    A contract has terms with commas between: agreement>=0.99@0.95 (the share of rows with the same top class, at a
    confidence), difference<=1e-3, accuracy>=0.9, accuracy_drop<=0.01. Exits 1 when nothing could be written.
    """
    from taxiway.edge import build as build_artifacts

    names, signatures = _listed(variants), _listed(signature)
    rows = [_number(one) for one in _listed(batches or "")]
    built = build_artifacts(model, variants=names, signature=signatures, batches=rows, **options)
    output.print_value(built.as_json(), as_json, lambda _: _show_built(built))
    return 0 if built.place else 1


def _show_built(built: Built) -> None:
    show_report(built.report, built.place)
    for name, reason in built.stays.items():
        output.print_line(f"{name} of an earlier build stays: {reason}")


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"{text!r} is no number of rows.", hint="--batches 1,4,8") from None


def show_report(report: Report, place: str) -> None:
    """Print what became of each variant, and why."""
    output.print_line(f"{report.title}: {report.rows:,} rows ({report.data}), held to {report.contract}")
    output.print_line(f"rounding alone moves TensorFlow's own answers by {report.noise_floor:.1g}{report.steps}")
    output.print_line()
    columns = ["VARIANT", "", "AGREEMENT", "LARGEST", "ACCURACY", "SIZE", "GZIP", "LATENCY"]
    output.print_table(columns, [row[:-1] for row in report.table()], right=columns[2:])
    output.print_line()
    for one in report.variants:
        output.print_line(f"{one.name} {'written' if one.kept else 'refused'}: {one.reason}{_batch(one)}")
    output.print_line()
    if parts := report.signature_table():
        output.print_table(SIGNATURE_COLUMNS, parts, right=SIGNATURE_COLUMNS[2:])
        output.print_line()
    if report.recommendation is not None:
        output.print_line(str(report.recommendation))
    output.print_line(f"in {place}" if place else "nothing was written: no variant holds to the contract")


def _batch(one: Variant) -> str:
    """What to say of a file that does not take any number of rows."""
    batch = one.notes.get("batch") if one.kept else None
    return "" if batch is None else f"; it takes {batch} {'row' if batch == 1 else 'rows'} at a time"
