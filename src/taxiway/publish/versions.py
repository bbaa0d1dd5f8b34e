"""What a store holds of a model: listing, showing, comparing, labelling and pruning its versions."""

from __future__ import annotations

import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from taxiway.clock import Clock, SystemClock
from taxiway.errors import DataLoss, NotFound
from taxiway.profile import Profile, figures, parse_profile
from taxiway.stores import (
    Manifest,
    Shelf,
    Verdict,
    checked_name,
    diff,
    models,
    open_store,
    prune,
    pull,
    read_labels,
    resolve,
    set_label,
    verify,
)

__all__ = ["diff_versions", "label_version", "list_versions", "prune_versions", "shelf_of", "show_version"]

_READS_AT_ONCE = 8
StorePath = str | os.PathLike[str]


def shelf_of(model: str, store: StorePath, clock: Clock | None = None) -> Shelf:
    """A model's versions in a store.

    Raises:
        NotFound: it has none; the hint names the models that are there.
    """
    shelf = Shelf(open_store(store, clock), checked_name(model))
    if not shelf.numbered():
        known = ", ".join(models(shelf.store))
        raise NotFound(
            f"There is no version of {model} in {store}.",
            hint=f"It has {known}." if known else "taxiway publish --help",
        )
    return shelf


def list_versions(model: str, store: StorePath = "models/") -> list[dict[str, Any]]:
    """A row for each version of a model, the newest first.

    Returns:
        ``version``, ``labels``, ``created_at``, ``bytes``, ``git_commit``, ``metrics``, and ``note``, which says what
        is wrong with one: then the others are None.

    Raises:
        NotFound: the model has no version there.
    """
    shelf = shelf_of(model, store)
    labels = read_labels(shelf)
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        rows = pool.map(lambda number: _row(shelf, number), shelf.versions())
    return [{"version": row["version"], "labels": labels.of(row["version"]), **row} for row in rows]


def show_version(model: str, version: str | int | None = None, store: StorePath = "models/") -> Manifest:
    """The manifest of a version (a number, a label, the newest), after every file was held to it.

    Raises:
        NotFound: there is no such version, or it has no manifest.
        DataLoss: a file is missing or differs.
    """
    shelf = shelf_of(model, store)
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        return verify(pull(shelf, resolve(shelf, version), Path(folder)))


def diff_versions(
    model: str, before: str | int, after: str | int | None = None, store: StorePath = "models/"
) -> dict[str, Any]:
    """What differs between two versions of a model, their training rows among it; see :func:`taxiway.stores.diff`.

    Raises:
        NotFound: there is no such version, or it has no manifest.
    """
    shelf = shelf_of(model, store)
    one, other = (shelf.manifest(resolve(shelf, version)) for version in (before, after))
    return diff(one, other, (figures(_profile(shelf, one)), figures(_profile(shelf, other))))


def _profile(shelf: Shelf, manifest: Manifest) -> Profile | None:
    if not manifest.profile:
        return None
    name = shelf.at(shelf.name_of(manifest.version), manifest.profile)
    where, document = f"{shelf.store.location}/{name}", shelf.store.read(name)
    if document is None:
        raise DataLoss(f"{where} is in the manifest and not there.")
    try:
        return parse_profile(dict(json.loads(document.data)), where)
    except (ValueError, TypeError) as error:
        raise DataLoss(f"{where} is not JSON: {error}") from None


def label_version(
    model: str, label: str, version: int | None, store: StorePath = "models/", *, expected: int | None = None
) -> dict[str, int]:
    """Put a label on a version, or (None) take it away; ``expected`` says where it must be now.

    Returns:
        The model's labels afterwards.

    Raises:
        NotFound: there is no such version, or no such label to take away.
        Aborted: the label is elsewhere than ``expected``.
    """
    return dict(set_label(shelf_of(model, store), label, version, expected).versions)


def prune_versions(
    model: str, keep: int, store: StorePath = "models/", *, dry_run: bool = False, clock: Clock | None = None
) -> list[Verdict]:
    """Remove the old versions of a model, but none that has a label or is in use; see :func:`taxiway.stores.prune`."""
    clock = clock or SystemClock()
    return prune(shelf_of(model, store, clock), keep, clock, dry_run=dry_run)


def _row(shelf: Shelf, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {"version": number, "created_at": None, "bytes": None, "git_commit": None, "metrics": {}}
    try:
        manifest = shelf.manifest(number)
    except NotFound:
        return {**row, "note": "not published by Taxiway"}
    except DataLoss as error:
        return {**row, "note": error.message}
    return {
        "version": number,
        "created_at": manifest.lineage.get("created_at"),
        "bytes": manifest.size_bytes,
        "git_commit": manifest.lineage.get("git_commit"),
        "metrics": dict(manifest.metrics),
        "note": "",
    }
