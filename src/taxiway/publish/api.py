"""Publishing: a model, or a directory with one, becomes the next version in a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.clock import Clock, SystemClock
from taxiway.errors import InvalidArgument, NotFound
from taxiway.publish.lineage import lineage_of_now
from taxiway.publish.manifest import MANIFEST_FILE, File, Manifest, verify
from taxiway.publish.stores import open_store
from taxiway.publish.stores.durable import copy_file, describe_file
from taxiway.types import JsonObject
from taxiway.wire.saved_model import SAVED_MODEL_FILE, read_saved_model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from taxiway.export import ExportOptions

__all__ = ["Published", "publish"]

LITERT_FILE = "model.tflite"


@dataclass(frozen=True)
class Published:
    """A version that is in a store.

    Attributes:
        name: the model's.
        version: its number.
        path: where it is.
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
    clock: Clock | None = None,
    **export: Unpack[ExportOptions],
) -> Published:
    """Make a model the next version of ``name`` in a store.

    Nothing is visible before everything is: a server sees the whole version or none of it, whenever this process dies.
    Several may publish at once.

    Args:
        model: a directory (SavedModel, or one with ``model.tflite``), or what :func:`taxiway.export` takes: a Keras
            model, a tf.Module, a function.
        name: of the model.
        store: a directory; it is made when it is not there.
        metrics: what you measured, by name; kept in the manifest.
        lineage: what else to note down of where it comes from; kept in the manifest.
        version: the number it must have; the next one when None.
        clock: tells when this is.
        export: ``signatures``, ``preprocess``, ``warm_up``, ``outputs`` of :func:`taxiway.export`, for a model.

    Returns:
        The version: its number, where it is, its manifest.

    Raises:
        InvalidArgument: there is no model in the directory, or the name cannot be one.
        DataLoss: the directory is a published version whose files are not those of its manifest.
        AlreadyExists: ``version`` is there.
        FailedPrecondition: the store cannot be written.
    """
    clock = clock or SystemClock()
    if version is not None and not 0 < version < 1 << 63:
        raise InvalidArgument(f"{version} cannot be a version.", hint="Versions are numbers from 1.")
    place = open_store(store, clock)
    source = _checked_source(Path(model), export) if isinstance(model, (str, os.PathLike)) else None
    earlier = verify(source) if source and (source / MANIFEST_FILE).exists() else None
    with place.staging(name) as staged:
        if source is None:
            # The one place where two stages meet in memory and not on disk: publishing a model is exporting it first.
            from taxiway.export import export as export_model

            export_model(model, staged, **export)
            files = _describe_tree(staged)
        else:
            files = _copy_tree(source, staged)
        graph = read_saved_model(staged) if SAVED_MODEL_FILE in files else None
        known = lineage_of_now(clock, source or Path.cwd(), graph.tensorflow_version if graph else "")
        template = Manifest(
            model=name,
            version=0,
            files=files,
            signatures={key: one.as_json() for key, one in graph.signatures.items()} if graph else {},
            lineage={**known, **_copied_from(earlier), **(lineage or {})},
            metrics={**(earlier.metrics if earlier else {}), **(metrics or {})},
        )
        manifest, path = place.commit(name, staged, lambda number: replace(template, version=number), version)
    return Published(name, manifest.version, path, manifest)


def _checked_source(source: Path, export: Mapping[str, Any]) -> Path:
    if export:
        raise InvalidArgument(
            f"{', '.join(export)} cannot be set for a model that is exported already: {source}.",
            hint="Pass the model itself, or export it with them first.",
        )
    if not source.is_dir():
        raise NotFound(f"There is no directory {source}.", hint="Give the directory that holds saved_model.pb.")
    if not (source / SAVED_MODEL_FILE).is_file() and not (source / LITERT_FILE).is_file():
        raise InvalidArgument(
            f"{source} holds neither {SAVED_MODEL_FILE} nor {LITERT_FILE}.",
            hint="Give the directory that holds one of them; taxiway.export(model, path) writes one.",
        )
    return source


def _copied_from(earlier: Manifest | None) -> JsonObject:
    if earlier is None:
        return {}
    return {"copied_from": {"model": earlier.model, "version": earlier.version, "lineage": dict(earlier.lineage)}}


def _copy_tree(source: Path, staged: Path) -> dict[str, File]:
    """Copy every file but an earlier manifest; links become what they point to."""
    files = {}
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        target = staged / relative
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif relative != Path(MANIFEST_FILE):
            target.parent.mkdir(parents=True, exist_ok=True)
            files[relative.as_posix()] = copy_file(path, target)
    return files


def _describe_tree(staged: Path) -> dict[str, File]:
    paths = (path for path in sorted(staged.rglob("*")) if path.is_file())
    return {path.relative_to(staged).as_posix(): describe_file(path) for path in paths}
