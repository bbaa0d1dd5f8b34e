"""``taxiway versions``: what a store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.cli.store import opened, signature_rows, store_option
from taxiway.errors import DataLoss, NotFound

if TYPE_CHECKING:
    from taxiway.publish.stores import Store


@click.group(epilog="Example: taxiway versions list digits --store models/")
def versions() -> None:
    """Show the versions in a store."""


@versions.command("list", epilog="Example: taxiway versions list digits --store models/")
@click.argument("model")
@store_option
@output.json_option
def list_versions(model: str, store: str, as_json: bool) -> None:
    """List the versions of MODEL, newest first."""
    place = opened(store)
    numbers = place.versions(model)
    if not numbers:
        known = ", ".join(place.models())
        raise NotFound(
            f"There is no version of {model} in {store}.",
            hint=f"It has {known}." if known else "taxiway publish --help",
        )
    output.print_value([_row(place, model, number) for number in numbers], as_json, _show_list)


@versions.command("show", epilog="Example: taxiway versions show digits 3 --store models/")
@click.argument("model")
@click.argument("version", type=int, required=False)
@store_option
@output.json_option
def show(model: str, version: int | None, store: str, as_json: bool) -> None:
    """Show the manifest of a VERSION of MODEL, the newest one by default, and hold the files to it."""
    from taxiway.publish import verify

    place = opened(store)
    numbers = place.versions(model)
    if not numbers:
        raise NotFound(f"There is no version of {model} in {store}.", hint="taxiway versions list MODEL")
    manifest = verify(place.path(model, version if version is not None else numbers[0]))
    output.print_value(manifest.as_json(), as_json, _show_manifest)


def _row(place: Store, model: str, number: int) -> dict[str, Any]:
    from taxiway.publish import read_manifest

    row: dict[str, Any] = {"version": number, "created_at": None, "bytes": None, "git_commit": None, "metrics": {}}
    try:
        manifest = read_manifest(place.path(model, number))
    except NotFound:
        return {**row, "note": "not published by Taxiway"}
    except DataLoss as error:
        return {**row, "note": error.message}
    lineage = manifest.lineage
    return {
        "version": number,
        "created_at": lineage.get("created_at"),
        "bytes": manifest.size_bytes,
        "git_commit": lineage.get("git_commit"),
        "metrics": dict(manifest.metrics),
        "note": "",
    }


def _show_list(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ["VERSION", "CREATED", "SIZE", "COMMIT", "METRICS", "NOTE"],
        [
            (
                row["version"],
                row["created_at"],
                None if row["bytes"] is None else output.size_text(row["bytes"]),
                (row["git_commit"] or "")[:9],
                metrics_text(row["metrics"]),
                row["note"],
            )
            for row in rows
        ],
        right=["VERSION", "SIZE"],
    )


def metrics_text(metrics: dict[str, Any]) -> str:
    """``accuracy=0.97 loss=0.1``."""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in metrics.items()
    )


def _show_manifest(document: dict[str, Any]) -> None:
    output.print_line(f"{document['model']} version {document['version']}: every file is what was published")
    output.print_line()
    output.print_table(["", ""], [*document["lineage"].items(), *document["metrics"].items()])
    output.print_line()
    if document["signatures"]:
        output.print_table(["SIGNATURE", "", "NAME", "DTYPE", "SHAPE"], signature_rows(document["signatures"]))
        output.print_line()
    files = document["files"].items()
    output.print_table(
        ["FILE", "SIZE", "SHA-256"],
        [(name, output.size_text(file["bytes"]), file["sha256"][:16]) for name, file in files],
        right=["SIZE"],
    )
