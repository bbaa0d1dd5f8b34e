"""Where the model is: a directory, or a version in a store; laid out so that a server can serve it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound, TaxiwayError
from taxiway.publish.versions import shelf_of
from taxiway.stores import pull, resolve
from taxiway.wire.made_up import made_up
from taxiway.wire.saved_model import LITERT_FILE, SAVED_MODEL_FILE, read_saved_model
from taxiway.wire.signatures import DEFAULT_SIGNATURE
from taxiway.wire.tensors import Array

__all__ = ["ENGINES", "Placed", "placed"]

ENGINES = ("tensorflow", "litert")
_MADE_UP_ROWS = 64


@dataclass(frozen=True)
class Placed:
    """A model that can be tried.

    Attributes:
        name: what it is called in the table and in the settings.
        version: its number; 1 of a directory that is none.
        source: the directory of its versions as the user has it, for the settings; empty when it is no such directory.
        base: a directory for a server that holds this version alone.
        engines: what can run it.
        has_graph: whether TensorFlow can run it, tried or not.
        notes: what a reader should know of the engines.
    """

    name: str
    version: int
    source: str
    base: Path
    engines: tuple[str, ...]
    has_graph: bool = True
    notes: tuple[str, ...] = ()


@contextmanager
def placed(
    model: str,
    store: str | os.PathLike[str],
    engines: Sequence[str] = ENGINES,
    data: Any = None,
    *,
    say: Callable[[str], None] = lambda _: None,
    check: Callable[[Path], None] = lambda _: None,
) -> Iterator[Placed]:
    """The model, for the block. Where it has no LiteRT file and LiteRT is to be tried, one is made beside it.

    Args:
        model: a version's directory, a directory of versions (the newest is meant), or ``MODEL`` or ``MODEL:VERSION``
            in the store.
        store: a directory, ``s3://…`` or ``gs://…``.
        engines: which may be tried.
        data: rows on which a LiteRT file must answer like the model; made up when None.
        say: told when such a file is made, which takes a while.
        check: given the version's directory before anything is made for it; what it raises ends the block.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: there is none in the directory, or none of the engines runs it.
    """
    with tempfile.TemporaryDirectory(prefix="taxiway-tune-") as scratch:
        name, version, source, directory = _found(model, store, Path(scratch) / "pulled")
        base = Path(scratch) / "base"
        base.mkdir()
        has = _engines(directory)
        check(directory)
        notes: tuple[str, ...] = ()
        with ExitStack() as stack:
            if "litert" in engines and "litert" not in has:
                say("making a LiteRT file to try")
                directory, notes = stack.enter_context(_with_litert(directory, data))
            tried = tuple(one for one in _engines(directory) if one in engines)
            if not tried:
                raise InvalidArgument(f"{name} runs on {', '.join(has)} only.", hint="Leave --engine out.")
            (base / str(version)).symlink_to(directory.absolute(), target_is_directory=True)
            yield Placed(name, version, source, base, tried, "tensorflow" in has, notes)


@contextmanager
def _with_litert(directory: Path, data: Any) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The version with a LiteRT file beside it where one can be made, and what is to be said of it."""
    missing = [name for name in ("tensorflow", "ai_edge_litert") if find_spec(name) is None]
    if missing:
        yield (
            directory,
            (f"LiteRT was not tried: the version has no {LITERT_FILE}, and {missing[0]} is not installed",),
        )
        return
    from taxiway.publish.optimize import with_litert

    try:
        rows = _made_up(directory) if data is None else data
        stack = ExitStack()
        there, found = stack.enter_context(with_litert(directory, rows))
    except TaxiwayError as error:
        yield directory, (f"LiteRT was not tried: {error.message}",)
        return
    with stack:
        if found["file"] is None:
            yield there, (f"LiteRT was not tried: {found['reason']}",)
        else:
            yield there, ("LiteRT's file was made for the trials: taxiway publish --optimize puts one into a version",)


def _made_up(directory: Path) -> dict[str, Array]:
    signatures = read_saved_model(directory).signatures
    signature = signatures.get(DEFAULT_SIGNATURE) or next(iter(signatures.values()), None)
    if signature is None:
        raise InvalidArgument("it has no signature")
    return made_up(signature, _MADE_UP_ROWS)


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
            hint=f"A version has {SAVED_MODEL_FILE} or {LITERT_FILE}; give one, or a model's.",
        )
    return path.name, numbers[-1], str(said), path / str(numbers[-1])


def _engines_of(path: Path) -> tuple[str, ...]:
    files = {"tensorflow": SAVED_MODEL_FILE, "litert": LITERT_FILE}
    return tuple(engine for engine, file in files.items() if (path / file).is_file())


def _engines(directory: Path) -> tuple[str, ...]:
    found = _engines_of(directory)
    if not found:
        raise InvalidArgument(f"{directory} holds neither {SAVED_MODEL_FILE} nor {LITERT_FILE}.")
    return found
