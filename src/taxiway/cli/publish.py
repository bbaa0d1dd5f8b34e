"""``taxiway publish``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.cli.store import store_option
from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.publish import Published


@click.command(epilog="Example: taxiway publish saved_model/ digits --store models/ --metric accuracy=0.97")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("model")
@store_option
@click.option("--version", type=int, metavar="N", help="The number it must have; the next one otherwise.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="What you measured; may be repeated.")
@click.option("--note", "notes", multiple=True, metavar="NAME=TEXT", help="Where it comes from; may be repeated.")
@output.json_option
def publish(
    *,
    path: Path,
    model: str,
    store: str,
    version: int | None,
    metrics: tuple[str, ...],
    notes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Put the SavedModel in PATH into a store as the next version of MODEL.

    Servers see the whole version or none of it, whenever this command ends.
    """
    import taxiway

    version_published = taxiway.publish(
        path,
        model,
        store,
        metrics={name: _number(name, text) for name, text in map(_pair, metrics)},
        lineage=dict(map(_pair, notes)),
        version=version,
    )
    output.print_value(_document(version_published), as_json, _show)


def _document(published: Published) -> dict[str, Any]:
    manifest = published.manifest
    return {
        "model": published.name,
        "version": published.version,
        "path": published.path,
        "files": len(manifest.files),
        "bytes": manifest.size_bytes,
        "signatures": sorted(manifest.signatures),
    }


def _show(document: dict[str, Any]) -> None:
    size = output.size_text(document["bytes"])
    output.print_line(
        f"published {document['model']} version {document['version']}: {document['files']} files, {size}, "
        f"in {document['path']}"
    )


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
