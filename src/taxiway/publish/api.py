"""Publishing: a model, or a directory with one, becomes the next version in a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.clock import Clock, SystemClock
from taxiway.errors import InvalidArgument
from taxiway.publish.lineage import lineage_of_now
from taxiway.publish.optimize import with_litert
from taxiway.publish.prepare import Prepared, prepared
from taxiway.stores import File, Manifest, Shelf, checked_name, open_store
from taxiway.types import JsonObject
from taxiway.wire.saved_model import EXPORT_FILE, PROFILE_FILE, SAVED_MODEL_FILE, read_beside, read_saved_model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from taxiway.export import ExportOptions

__all__ = ["Published", "publish"]


@dataclass(frozen=True)
class Published:
    """A version that is in a store.

    Attributes:
        name: the model's.
        version: its number.
        path: where it is, a path or a URL.
        manifest: what is known of it.
    """

    name: str
    version: int
    path: str
    manifest: Manifest

    def __str__(self) -> str:
        return str(self.version)


def publish(
    model: Any,
    name: str,
    store: str | os.PathLike[str] = "models/",
    *,
    metrics: JsonObject | None = None,
    lineage: JsonObject | None = None,
    version: int | None = None,
    optimize: bool = False,
    data: Any = None,
    clock: Clock | None = None,
    **export: Unpack[ExportOptions],
) -> Published:
    """Make a model the next version of ``name`` in a store.

    Nothing is visible before everything is: a server sees the whole version or none of it, whenever this process dies.
    Several may publish at once.

    Args:
        model: a directory (SavedModel, or one with ``model.tflite``), a training run's directory, a version's URL in
            another store, a Keras file (``.keras``, ``.h5``), or what :func:`taxiway.export` takes: a Keras model, a
            tf.Module, a function.
        name: of the model.
        store: a directory, which is made when it is not there, or ``s3://bucket/prefix``, ``gs://bucket/prefix``.
        metrics: what you measured, by name; kept in the manifest.
        lineage: what else to note down of where it comes from; kept in the manifest.
        version: the number it must have; the next one when None.
        optimize: whether to add ``model.tflite`` beside the SavedModel, where it converts and answers alike; what was
            found stands in the manifest's ``litert``. Where it does not, the version is published without.
        data: rows that LiteRT's answers are compared on: arrays by input name, an ``.npz`` or ``.npy`` file, a
            recording; the version's warm-up requests when None. With them a version from a store gets its file anew.
        clock: tells when this is.
        export: ``signatures``, ``preprocess``, ``warm_up``, ``outputs``, ``classify`` and what else
            :func:`taxiway.export` takes, for a model in memory or in a Keras file.

    Returns:
        The version: its number, where it is, its manifest.

    Raises:
        InvalidArgument: there is no model in the directory, the name cannot be one, or ``data`` fits no signature,
            or there is nothing to compare on it.
        DataLoss: the directory is a published version whose files are not those of its manifest.
        AlreadyExists: ``version`` is there, or was once.
        FailedPrecondition, ResourceExhausted, PermissionDenied, Unavailable: the store cannot be written.
    """
    clock = clock or SystemClock()
    if version is not None and not 0 < version < 1 << 63:
        raise InvalidArgument(f"{version} cannot be a version.", hint="Versions are numbers from 1.")
    if data is not None and not optimize:
        raise InvalidArgument(
            "Rows are given to compare LiteRT's answers on, and LiteRT is not asked for.",
            hint="optimize=True, or --optimize; warm_up= are rows for the server.",
        )
    shelf = Shelf(open_store(store, clock), checked_name(name))
    with prepared(model, export) as ready, _laid_out(ready, optimize, data) as (directory, litert):
        has_graph = (ready.directory / SAVED_MODEL_FILE).is_file()
        graph = read_saved_model(ready.directory) if has_graph else None
        known = lineage_of_now(clock, ready.origin, graph.tensorflow_version if graph else "")
        signatures = {key: one.as_json() for key, one in graph.signatures.items()} if graph else {}
        compared = (read_beside(ready.directory, EXPORT_FILE) or {}).get("comparison", {})
        profile = PROFILE_FILE if (ready.directory / PROFILE_FILE).is_file() else ""

        def make(number: int, files: Mapping[str, File]) -> Manifest:
            said = {**known, **ready.lineage, **(lineage or {})}
            measured = {**ready.metrics, **(metrics or {})}
            return Manifest(name, number, files, signatures, said, measured, compared, profile, litert=litert)

        manifest = shelf.add(directory, make, version)
    return Published(name, manifest.version, f"{shelf}/{manifest.version}", manifest)


def _laid_out(ready: Prepared, optimize: bool, data: Any) -> AbstractContextManager[tuple[Path, JsonObject]]:
    """The directory that is published, and what the manifest says of LiteRT."""
    # A version that goes from store to store keeps what was found of the same files, unless other rows are to show it.
    if not optimize or (ready.litert and data is None):
        return nullcontext((ready.directory, ready.litert))
    return with_litert(ready.directory, data, anew=bool(ready.litert))
