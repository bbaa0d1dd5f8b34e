"""``taxiway versions``: what a store holds."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.store import signature_rows, store_option

_PROFILE_ROWS = 12


@click.group(epilog="Example: taxiway versions list digits --store models/")
def versions() -> None:
    """List, show, compare, label and prune the versions in a store."""


@versions.command("list", epilog="Example: taxiway versions list digits --store models/")
@click.argument("model")
@store_option
@output.json_option
def list_versions(model: str, store: str, as_json: bool) -> None:
    """List the versions of MODEL, newest first."""
    from taxiway.publish import list_versions

    output.print_value(list_versions(model, store), as_json, _show_list)


@versions.command("show", epilog="Example: taxiway versions show digits 3 --store models/")
@click.argument("model")
@click.argument("version", required=False, metavar="[VERSION|LABEL]")
@store_option
@output.json_option
def show(model: str, version: str | None, store: str, as_json: bool) -> None:
    """Show the manifest of a version of MODEL, the newest one by default, and hold the files to it."""
    from taxiway.publish import show_version

    output.print_value(show_version(model, version, store).as_json(), as_json, _show_manifest)


@versions.command("diff", epilog="Example: taxiway versions diff digits 1 2 --store models/")
@click.argument("model")
@click.argument("before", metavar="VERSION|LABEL")
@click.argument("after", required=False, metavar="[VERSION|LABEL]")
@store_option
@output.json_option
def diff(model: str, before: str, after: str | None, store: str, as_json: bool) -> None:
    """Show what differs between two versions of MODEL; the newest one is the second by default."""
    from taxiway.publish import diff_versions

    output.print_value(diff_versions(model, before, after, store), as_json, _show_diff)


@versions.command("label", epilog="Example: taxiway versions label digits stable=2 --store models/")
@click.argument("model")
@click.argument("label", required=False)
@click.argument("version", type=int, required=False)
@click.option("--remove", is_flag=True, help="Take the label away.")
@click.option("--expect", type=int, metavar="N", help="Only when the label is at version N now.")
@store_option
@output.json_option
def label(
    *, model: str, label: str | None, version: int | None, remove: bool, expect: int | None, store: str, as_json: bool
) -> None:
    """Put LABEL on a VERSION of MODEL, or list its labels; LABEL=VERSION says the same.

    Requests may name the label instead of a number: servers of the store load the version and follow the label. A
    version with a label is never pruned.
    """
    from taxiway.publish.versions import label_version, shelf_of
    from taxiway.stores import read_labels

    if label is not None and version is None and "=" in label:
        label, _, number = label.partition("=")
        if not number.isdecimal():
            raise click.UsageError(f"{number!r} is no version")
        version = int(number)
    if label is None:
        labels = dict(read_labels(shelf_of(model, store)).versions)
    elif (version is None) != remove:
        raise click.UsageError("say the VERSION to put it on, or --remove")
    else:
        labels = label_version(model, label, version, store, expected=expect)
    output.print_value(labels, as_json, _show_labels)


@versions.command("prune", epilog="Example: taxiway versions prune digits --keep 5 --store models/")
@click.argument("model")
@click.option("--keep", type=int, required=True, metavar="N", help="How many of the newest stay.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@store_option
@output.json_option
def prune(model: str, keep: int, dry_run: bool, store: str, as_json: bool) -> None:
    """Remove old versions of MODEL, but none that has a label or that a server or rollout uses."""
    from taxiway.publish import prune_versions

    rows = [
        {"version": one.version, "removed": one.removed, "why": one.why}
        for one in prune_versions(model, keep, store, dry_run=dry_run)
    ]
    output.print_value({"dry_run": dry_run, "versions": rows}, as_json, _show_pruned)


def _show_list(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ["VERSION", "LABELS", "CREATED", "SIZE", "COMMIT", "METRICS", "NOTE"],
        [
            (
                row["version"],
                ", ".join(row["labels"]),
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
    return " ".join(f"{name}={_short(value)}" for name, value in metrics.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _show_manifest(document: dict[str, Any]) -> None:
    output.print_line(f"{document['model']} version {document['version']}: every file is what was published")
    output.print_line()
    facts = [*document["lineage"].items(), *document["metrics"].items()]
    output.print_table(["", ""], [(name, _short(value)) for name, value in facts])
    output.print_line()
    if document["signatures"]:
        output.print_table(["SIGNATURE", "", "NAME", "DTYPE", "SHAPE"], signature_rows(document["signatures"]))
        output.print_line()
    output.print_table(
        ["FILE", "SIZE", "SHA-256"],
        [(name, output.size_text(file["bytes"]), file["sha256"][:16]) for name, file in document["files"].items()],
        right=["SIZE"],
    )


def _show_diff(document: dict[str, Any]) -> None:
    before, after = document["version"]
    rows: list[tuple[str, ...]] = [
        ("size", *map(output.size_text, document["bytes"]), f"{document['bytes'][1] - document['bytes'][0]:+d} B")
    ]
    for section in ("metrics", "parameters", "lineage"):
        for name, pair in document[section].items():
            change = f"{pair['difference']:+.4g}" if "difference" in pair else ""
            shown = ("" if pair[side] is None else _short(pair[side]) for side in ("before", "after"))
            rows.append((f"{section.removesuffix('s')} {name}", *shown, change))
    for section in ("signatures", "files"):
        for way, names in document[section].items():
            rows += [(f"{section.removesuffix('s')} {name}", "", "", way) for name in names]
    rows += _profile_rows(document["profile"])
    output.print_table(["", f"VERSION {before}", f"VERSION {after}", "CHANGE"], rows)


def _profile_rows(profile: dict[str, Any]) -> list[tuple[str, ...]]:
    """What differs in the training rows, the largest changes first, as far as a person reads on."""

    def change(pair: dict[str, Any]) -> float:
        if "difference" not in pair:
            return math.inf
        return float(abs(pair["difference"]) / max(abs(pair["before"]), abs(pair["after"]), 1e-9))

    ranked = sorted(profile.items(), key=lambda one: -change(one[1]))
    rows: list[tuple[str, ...]] = [
        (
            f"profile {name}",
            *("" if pair[side] is None else _short(pair[side]) for side in ("before", "after")),
            f"{pair['difference']:+.4g}" if "difference" in pair else "",
        )
        for name, pair in ranked[:_PROFILE_ROWS]
    ]
    hidden = len(ranked) - len(rows)
    return [*rows, *([(f"and {hidden} more of the profile (--json)", "", "", "")] if hidden else [])]


def _show_labels(labels: dict[str, int]) -> None:
    if not labels:
        output.print_line("no labels")
        return
    output.print_table(["LABEL", "VERSION"], sorted(labels.items()), right=["VERSION"])


def _show_pruned(document: dict[str, Any]) -> None:
    gone = "would be removed" if document["dry_run"] else "removed"
    output.print_table(
        ["VERSION", "", "WHY"],
        [(row["version"], gone if row["removed"] else "kept", row["why"]) for row in document["versions"]],
        right=["VERSION"],
    )
