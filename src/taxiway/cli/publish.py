"""``taxiway publish``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taxiway.cli import output
from taxiway.cli.store import comparison_text, litert_lines, store_option
from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.publish import Published


F = TypeVar("F", bound=Callable[..., Any])


def export_options(function: F) -> F:
    """Add what can be said about exporting a Keras file."""
    for option in reversed(
        (
            click.option("--warm-up", metavar="FILE", help="Of a Keras file: real rows, .npy, .npz, .json or .csv."),
            click.option("--classify", is_flag=True, help="Of a Keras file: add a signature for Classify."),
            click.option("--labels", metavar="A,B,…", help="What the classes are called; means --classify."),
            click.option("--regress", is_flag=True, help="Of a Keras file: add a signature for Regress."),
            click.option("--examples", is_flag=True, help="Of a Keras file: add one that takes tf.Examples."),
        )
    ):
        function = option(function)
    return function


@click.command(epilog="Example: taxiway publish saved_model/ digits --store models/ --metric accuracy=0.97")
@click.argument("path")
@click.argument("model")
@store_option
@click.option("--version", type=int, metavar="N", help="The number it must have; the next one otherwise.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="What you measured; may be repeated.")
@click.option("--note", "notes", multiple=True, metavar="NAME=TEXT", help="Where it comes from; may be repeated.")
@click.option("--optimize", is_flag=True, help="Add model.tflite where LiteRT answers alike: servers take the faster.")
@click.option("--data", metavar="FILE", help="With --optimize: real rows, .npz or .npy, or a recording of requests.")
@export_options
@output.json_option
def publish(
    *,
    path: str,
    model: str,
    store: str,
    version: int | None,
    metrics: tuple[str, ...],
    notes: tuple[str, ...],
    optimize: bool,
    data: str | None,
    as_json: bool,
    **export: Any,
) -> None:
    """Put a model into a store as the next version of MODEL.

    PATH is a directory with a SavedModel or a model.tflite, a training run, a version's URL in a store, or a Keras file
    (.keras, .h5), which is exported first. Servers see the whole version or none of it, whenever this command ends.
    """
    import taxiway

    version_published = taxiway.publish(
        path,
        model,
        store,
        metrics={name: _number(name, text) for name, text in map(_pair, metrics)},
        lineage=dict(map(_pair, notes)),
        version=version,
        optimize=optimize,
        data=data,
        **_export(**export),
    )
    output.print_value(_document(version_published), as_json, _show)


def _export(
    *, warm_up: str | None, classify: bool, labels: str | None, regress: bool, examples: bool
) -> dict[str, Any]:
    """The options that were given, as ``export`` takes them."""
    from taxiway.cli.rows import read_rows

    return {
        **({"warm_up": read_rows(warm_up)} if warm_up is not None else {}),
        **(
            {"classify": [one.strip() for one in labels.split(",")]}
            if labels
            else {"classify": True}
            if classify
            else {}
        ),
        **({"regress": True} if regress else {}),
        **({"examples": True} if examples else {}),
    }


def _document(published: Published) -> dict[str, Any]:
    manifest = published.manifest
    return {
        "model": published.name,
        "version": published.version,
        "path": published.path,
        "files": len(manifest.files),
        "bytes": manifest.size_bytes,
        "signatures": sorted(manifest.signatures),
        "comparison": dict(manifest.comparison),
        "litert": dict(manifest.litert) or None,
    }


def _show(document: dict[str, Any]) -> None:
    size = output.size_text(document["bytes"])
    output.print_line(
        f"published {document['model']} version {document['version']}: {document['files']} files, {size}, "
        f"in {document['path']}"
    )
    for name, compared in document["comparison"].items():
        output.print_line(f"{name}: {comparison_text(compared)}")
    for line in litert_lines(document["litert"]):
        output.print_line(line)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidArgument(f"{text!r} is not NAME=VALUE.")
    return name, value


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidArgument(f"The metric {name} is {text!r}, which is no number.")
    return number
