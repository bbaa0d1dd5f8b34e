"""Where the model is: a directory, or a version in a store; laid out so that a server can serve it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taxiway.errors import InvalidArgument, NotFound
from taxiway.publish.versions import shelf_of
from taxiway.stores import pull, resolve
from taxiway.wire.saved_model import SAVED_MODEL_FILE

__all__ = ["Placed", "placed"]

_LITERT_FILE = "model.tflite"


@dataclass(frozen=True)
class Placed:
    """A model that can be tried.

    Attributes:
        name: what it is called in the table and in the settings.
        version: its number; 1 of a directory that is none.
        source: the directory of its versions as the user has it, for the settings; empty when it is no such directory.
        base: a directory for a server that holds this version alone.
        engines: what can run it.
    """

    name: str
    version: int
    source: str
    base: Path
    engines: tuple[str, ...]


@contextmanager
def placed(model: str, store: str | os.PathLike[str]) -> Iterator[Placed]:
    """The model, for the block.

    Args:
        model: a version's directory, a directory of versions (the newest is meant), or ``MODEL`` or ``MODEL:VERSION``
            in the store.
        store: a directory, ``s3://…`` or ``gs://…``.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: there is none in the directory.
    """
    with tempfile.TemporaryDirectory(prefix="taxiway-tune-") as scratch:
        name, version, source, directory = _found(model, store, Path(scratch) / "pulled")
        base = Path(scratch) / "base"
        base.mkdir()
        (base / str(version)).symlink_to(directory.absolute(), target_is_directory=True)
        yield Placed(name, version, source, base, _engines(directory))


def _found(model: str, store: str | os.PathLike[str], cache: Path) -> tuple[str, int, str, Path]:
    path = Path(model)
    if path.is_dir():
        return _directory(path.resolve(), path)
    name, _, version = model.partition(":")
    if "/" in name:
        raise NotFound(f"There is no directory {model}.", hint="Give a directory, MODEL, or MODEL:VERSION.")
    shelf = shelf_of(name, store)
    number = resolve(shelf, version or None)
    cache.mkdir()
    return name, number, f"{os.fspath(store).rstrip('/')}/{name}", pull(shelf, number, cache)


def _directory(path: Path, said: Path) -> tuple[str, int, str, Path]:
    if _engines_of(path):
        is_version = path.name.isdecimal() and int(path.name) > 0
        if is_version:
            return path.parent.name, int(path.name), str(said.parent), path
        return path.name, 1, "", path
    numbers = sorted(int(one.name) for one in path.iterdir() if one.name.isdecimal() and _engines_of(one))
    if not numbers:
        raise InvalidArgument(
            f"{said} holds no model.",
            hint=f"A version has {SAVED_MODEL_FILE} or {_LITERT_FILE}; give one, or a model's.",
        )
    return path.name, numbers[-1], str(said), path / str(numbers[-1])


def _engines_of(path: Path) -> tuple[str, ...]:
    files = {"tensorflow": SAVED_MODEL_FILE, "litert": _LITERT_FILE}
    return tuple(engine for engine, file in files.items() if (path / file).is_file())


def _engines(directory: Path) -> tuple[str, ...]:
    found = _engines_of(directory)
    if not found:
        raise InvalidArgument(f"{directory} holds neither {SAVED_MODEL_FILE} nor {_LITERT_FILE}.")
    return found
