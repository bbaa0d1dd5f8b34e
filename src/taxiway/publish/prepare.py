"""What is published → a local directory with its files, and what is known of where they come from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.publish.run import MODEL_FOLDER, RUN_FILE, read_run
from taxiway.stores import MANIFEST_FILE, Manifest, Shelf, digest_of, is_cloud, open_store, pull, verify
from taxiway.types import JsonObject
from taxiway.wire.saved_model import LITERT_FILE, SAVED_MODEL_FILE

__all__ = ["Prepared", "prepared"]

_KERAS_FILES = (".keras", ".h5", ".hdf5")
# A study keeps a link to the run of its best trial.
_STUDY_FILE, _BEST = "study.json", "best"


@dataclass(frozen=True)
class Prepared:
    """Files ready to be placed.

    Attributes:
        directory: holds them.
        origin: whose git repository says from which commit they are.
        lineage: what is known of where they come from.
        metrics: what was measured.
        litert: what was found of LiteRT when the same files were published before.
    """

    directory: Path
    origin: Path
    lineage: JsonObject = field(default_factory=dict)
    metrics: JsonObject = field(default_factory=dict)
    litert: JsonObject = field(default_factory=dict)


@contextmanager
def prepared(model: Any, export: Mapping[str, Any]) -> Iterator[Prepared]:
    """Lay out what is published, for as long as the block lasts.

    Args:
        model: a directory, a Keras file, a version's URL in a store, a training run, a study, or a model in memory.
        export: how a model in memory or in a Keras file is exported.

    Raises:
        InvalidArgument, NotFound: there is no model.
        FailedPrecondition: the run has not finished, or the study has no complete trial.
        DataLoss: it is a published version whose files are not those of its manifest.
    """
    if isinstance(model, (str, os.PathLike)) and not _is_keras_file(model):
        if export:
            raise InvalidArgument(
                f"{', '.join(export)} cannot be set for a model that is exported already: {model}.",
                hint="Pass the model itself, or export it with them first.",
            )
        if is_cloud(model):
            with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
                yield _on_disk(_pulled(str(model), Path(folder)))
            return
        yield _on_disk(Path(model))
        return
    # The one place where two stages meet in memory and not on disk: publishing a model is exporting it first.
    from taxiway.export import export as export_model
    from taxiway.export import load_keras

    origin, lineage = Path.cwd(), dict[str, Any]()
    if isinstance(model, (str, os.PathLike)):
        file = Path(model)
        model = load_keras(file)
        origin, lineage = file.parent, {"keras_file": {"name": file.name, "sha256": _digest(file)}}
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        exported = Path(folder) / "model"
        exported.mkdir()
        export_model(model, exported, **export)
        yield Prepared(exported, origin, lineage)


def _is_keras_file(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix in _KERAS_FILES and not is_cloud(path) and not Path(path).is_dir()


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return digest_of(opened)


def _on_disk(path: Path) -> Prepared:
    if not path.is_dir():
        raise NotFound(f"There is no directory {path}.", hint="Give the directory that holds saved_model.pb.")
    if (path / _STUDY_FILE).is_file():
        path = _best_of_study(path)
    if (path / RUN_FILE).is_file():
        run = read_run(path)
        return Prepared(_with_model(path / MODEL_FOLDER), path, run.lineage, run.metrics)
    _with_model(path)
    if not (path / MANIFEST_FILE).exists():
        return Prepared(path, path)
    earlier = verify(path)
    litert = earlier.litert if earlier.litert.get("file") else {}
    return Prepared(path, path, _copied_from(earlier), earlier.metrics, litert)


def _best_of_study(path: Path) -> Path:
    best = path / _BEST
    if not best.is_dir():
        raise FailedPrecondition(f"The study in {path} has no complete trial.", hint=f"taxiway tune show {path}")
    return best


def _with_model(path: Path) -> Path:
    if not (path / SAVED_MODEL_FILE).is_file() and not (path / LITERT_FILE).is_file():
        raise InvalidArgument(
            f"{path} holds neither {SAVED_MODEL_FILE} nor {LITERT_FILE}.",
            hint="Give the directory that holds one of them; taxiway.export(model, path) writes one.",
        )
    return path


def _copied_from(earlier: Manifest) -> JsonObject:
    return {"copied_from": {"model": earlier.model, "version": earlier.version, "lineage": dict(earlier.lineage)}}


def _pulled(url: str, folder: Path) -> Path:
    """``s3://bucket/models/digits/3``: a version in a store, brought here."""
    location, _, number = url.rstrip("/").rpartition("/")
    if not number.isdecimal():
        raise InvalidArgument(f"{url} is no version.", hint="End it with the version's number: …/digits/3.")
    return pull(Shelf(open_store(location), ""), int(number), folder)
