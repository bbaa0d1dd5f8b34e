"""What artefacts are made of: a version in a store, a SavedModel's directory, a Keras file; as a local SavedModel."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from taxiway.artifacts.tokeniser import Tokeniser
from taxiway.artifacts.workshop import Workshop
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.stores import MANIFEST_FILE, Shelf, checked_name, is_cloud, open_store, pull, read_manifest, resolve
from taxiway.stores.manifest import ARTIFACTS
from taxiway.wire.saved_model import SAVED_MODEL_FILE, read_saved_model
from taxiway.wire.signatures import Signature

__all__ = ["Source", "located", "numeric", "published", "signature_of"]

_NO_TEXTS = (
    "Export a signature of the numeric part as well, what follows the tokeniser; "
    "or build from the Keras file, where it is split off."
)
_KERAS_FILES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class Source:
    """Where the original is.

    Attributes:
        directory: a local SavedModel.
        model: what it is called.
        version: its number in a store; None when it is in none.
        shelf: where it is published; None when it is not.
        said: where it is, for people.
        beside: the directory that artefacts go into, each kind into its own, when nobody says and it is not published.
        tokeniser: what was split off a model that takes texts.
        whole: the SavedModel and the signature that it was split off; None when that was a Keras file, or nothing was.
    """

    directory: Path
    model: str
    version: int | None
    shelf: Shelf | None
    said: str
    beside: Path
    tokeniser: Tokeniser | None = None
    whole: tuple[Path, str] | None = None


@contextmanager
def located(
    what: str | os.PathLike[str],
    store: str | os.PathLike[str],
    workshop: Workshop,
    *,
    unroll: bool = False,
    batches: Sequence[int] = (),
) -> Iterator[Source]:
    """The source that is meant, for as long as the block lasts.

    Args:
        what: a directory, a Keras file, MODEL, MODEL:VERSION, MODEL:LABEL, or the URL of a version in a bucket.
        store: where MODEL is.
        workshop: exports a Keras file.
        unroll: have the recurrent layers of a Keras file do their steps without a loop.
        batches: numbers of rows that one with loops is exported for too.

    Raises:
        NotFound: there is no such thing.
        InvalidArgument: it holds no SavedModel.
        FailedPrecondition: it cannot be unrolled; only Keras files can.
    """
    path = Path(what)
    if path.suffix in _KERAS_FILES:
        if not path.is_file():
            raise NotFound(f"There is no file {path}.")
        exported = Path(tempfile.mkdtemp(dir=workshop.folder)) / "exported"
        told = workshop.ask("keras", file=str(path.absolute()), out=str(exported), unroll=unroll, batches=list(batches))
        split = None if told["tokeniser"] is None else Tokeniser(**told["tokeniser"])
        yield Source(exported, path.stem, None, None, str(path), path.parent / f"{path.stem}-artifacts", split)
        return
    if unroll:
        raise FailedPrecondition(
            f"{what} is no Keras file, and only that knows its recurrent layers, which --unroll is for.",
            hint="Give the .keras or .h5 file; or leave --unroll out: then it loops, a row at a time.",
        )
    if path.is_dir():
        yield _of_directory(path)
        return
    shelf, number, name = published(what, store)
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        local = pull(shelf, number, Path(folder))
        _check(local)
        yield Source(local, name, number, shelf, f"{shelf}/{number}", local / ARTIFACTS)


def published(what: str | os.PathLike[str], store: str | os.PathLike[str]) -> tuple[Shelf, int, str]:
    """Where the version is that is meant, its number, and what the model is called.

    Args:
        what: MODEL, MODEL:VERSION or MODEL:LABEL, or a version's URL, ``s3://bucket/…/MODEL/3``.
        store: where MODEL is.

    Raises:
        NotFound: there is no such version.
    """
    if isinstance(what, str) and is_cloud(what):
        home, _, number = what.rstrip("/").rpartition("/")
        parts = urlsplit(home)
        if not (number.isascii() and number.isdigit() and parts.netloc):
            raise NotFound(f"{what} is no version.", hint="A version in a bucket is s3://bucket/…/MODEL/3.")
        return Shelf(open_store(home), ""), int(number), parts.path.rpartition("/")[2] or parts.netloc
    name, _, version = os.fspath(what).partition(":")
    if "/" in name:
        raise NotFound(f"There is no directory {what}.", hint="Give a directory, MODEL, MODEL:VERSION or MODEL:LABEL.")
    shelf = Shelf(open_store(store), checked_name(name))
    if not shelf.numbered():
        raise NotFound(f"There is no version of {name} in {store}.", hint="taxiway versions list MODEL --store …")
    return shelf, resolve(shelf, version or None), name


def numeric(workshop: Workshop, source: Source, name: str, runtime: str) -> Source:
    """The source with its tokeniser split off, where a signature takes texts; as it is otherwise.

    Raises:
        FailedPrecondition: the signature takes texts, and the tokeniser cannot be split off; the hint says what to do.
    """
    signatures = read_saved_model(source.directory).signatures
    texts = (
        [key for key, one in signatures[name].inputs.items() if one.dtype_name == "string"]
        if name in signatures
        else []
    )
    if not texts:
        return source
    out = Path(tempfile.mkdtemp(dir=workshop.folder)) / "numeric"
    try:
        told = workshop.ask("split", saved_model=str(source.directory), signature=name, out=str(out))
    except TaxiwayError as error:
        why = error.message if error.kind != "UNKNOWN" else "The tokeniser cannot be split off."
        others = [one for one, other in signatures.items() if not _has_texts(other)]
        raise FailedPrecondition(
            f"Input {texts[0]!r} of {name!r} is text, and {runtime} has no operations on texts. {why}",
            hint=f"--signature {others[0]}" if others else error.hint or _NO_TEXTS,
        ) from None
    return replace(source, directory=out, tokeniser=Tokeniser(**told["tokeniser"]), whole=(source.directory, name))


def signature_of(source: Source, name: str, runtime: str) -> Signature:
    """A signature that a device can be asked.

    Args:
        source: the original.
        name: the signature's.
        runtime: what runs the artefacts, for people.

    Raises:
        NotFound: there is none of the name.
        FailedPrecondition: it takes or answers texts, or an input has no rows; the hint says what to do.
    """
    signatures = read_saved_model(source.directory).signatures
    if name not in signatures:
        raise NotFound(f"{source.said} has no signature {name!r}; it has {', '.join(signatures) or 'none'}.")
    found = signatures[name]
    for way, specs in (("Input", found.inputs), ("Output", found.outputs)):
        for key, spec in specs.items():
            if spec.dtype_name == "string":
                others = [one for one, other in signatures.items() if not _has_texts(other)]
                raise FailedPrecondition(
                    f"{way} {key!r} of {name!r} is text, and {runtime} has no operations on texts.",
                    hint=f"--signature {others[0]}" if others else _NO_TEXTS,
                )
            if way == "Input" and not spec.shape:
                raise FailedPrecondition(
                    f"Input {key!r} of {name!r} has no rows.", hint="Give its first dimension to the rows."
                )
    return found


def _has_texts(signature: Signature) -> bool:
    return any(one.dtype_name == "string" for one in (*signature.inputs.values(), *signature.outputs.values()))


def _of_directory(path: Path) -> Source:
    _check(path)
    whole = path.absolute()
    beside = path / ARTIFACTS
    if not (path / MANIFEST_FILE).is_file():
        return Source(path, whole.name, None, None, str(path), beside)
    manifest = read_manifest(path)
    published = whole.name.isdecimal() and int(whole.name) == manifest.version
    shelf = Shelf(open_store(whole.parent), "") if published else None
    return Source(path, manifest.model, manifest.version, shelf, str(path), beside)


def _check(path: Path) -> None:
    if not (path / SAVED_MODEL_FILE).is_file():
        raise InvalidArgument(
            f"{path} holds no {SAVED_MODEL_FILE}.", hint="Artefacts are made of a SavedModel or a Keras file."
        )
