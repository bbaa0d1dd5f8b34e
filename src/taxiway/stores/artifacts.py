"""What is made of a published version for other places: files for phones, boards and web pages.

    MODEL/3/taxiway.json                            lists them, with digests and contracts
    MODEL/3/artifacts/edge/9f86d081/int8.tflite     the bytes of ``artifacts/edge/int8.tflite``

Every addition has a folder of its own, whose files never change, and becomes part of the version when the manifest is
replaced, by compare-and-swap. So a builder that is killed leaves the version as it was, two that build at once both
succeed, and what replaces an artefact does so in one step. What is left of the former is removed: what was replaced at
once, what nothing ever named a day later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taxiway.clock import Clock, SystemClock
from taxiway.errors import Aborted, AlreadyExists, DataLoss, InvalidArgument, NotFound, TaxiwayError
from taxiway.stores.manifest import ARTIFACTS, MANIFEST_FILE, Artifact, File, Manifest, check_file, parse_manifest
from taxiway.stores.protocol import Document
from taxiway.stores.shelf import Shelf
from taxiway.types import JsonObject

__all__ = ["Made", "add_artifacts", "damaged_artifacts", "pull_artifact"]

_ABANDONED_SECONDS = 86_400
_TRIES = 20


@dataclass(frozen=True)
class Made:
    """One artefact: files that are made, and replaced, together.

    Attributes:
        files: their paths under the directory they are added from, ``/`` between; the first is the one that is run.
        contract: how its answers were held to the version's; noted at the first file.
    """

    files: Sequence[str]
    contract: JsonObject = field(default_factory=dict)


def add_artifacts(
    shelf: Shelf,
    version: int,
    target: str,
    source: Path,
    variants: Mapping[str, Made],
    *,
    without: Collection[str] = (),
    clock: Clock | None = None,
) -> Manifest:
    """Add artefacts to a published version: all of them, or, when this fails or is killed, none.

    Args:
        shelf: the model.
        version: the version they were made of.
        target: ``edge`` or ``browser``; the file ``a/b`` is called ``artifacts/TARGET/a/b``.
        source: the directory with their files.
        variants: by name. One that the version has already is replaced, with all its files.
        without: variants that the version is to have no longer.
        clock: says how old what is left behind is.

    Returns:
        The version's manifest with them.

    Raises:
        InvalidArgument: a file is missing, or is called as one of another variant.
        NotFound: there is no such version, or it was not published by Taxiway.
        Aborted: it was removed meanwhile, or others keep changing it.
        Unavailable, ResourceExhausted, PermissionDenied, FailedPrecondition: the store cannot be written.
    """
    names = _checked(target, source, variants)
    home = shelf.at(shelf.name_of(version))
    shelf.manifest(version)
    folder = f"{ARTIFACTS}/{target}/{secrets.token_hex(4)}"
    files: dict[str, File] = {}

    def finish(placed: Mapping[str, File]) -> bytes:
        files.update({name: file for name, file in placed.items() if name in names})
        return json.dumps({"files": sorted(files)}).encode() + b"\n"

    if variants:
        _place(shelf, f"{home}/{folder}", source, names, finish)
    made = {
        f"{ARTIFACTS}/{target}/{name}": Artifact(
            target, variant, files[name], f"{folder}/{name}", dict(one.contract) if place == 0 else {}
        )
        for variant, one in variants.items()
        for place, name in enumerate(one.files)
    }
    gone = {(target, variant) for variant in (*variants, *without)}
    try:
        before, manifest = _swap(shelf, version, made, gone)
    except BaseException:
        with suppress(TaxiwayError):
            _take_back(shelf, home, folder)
        raise
    _tidy(shelf, home, before, manifest, (clock or SystemClock()).now())
    return manifest


def pull_artifact(shelf: Shelf, version: int, name: str, folder: Path) -> Path:
    """A local file with an artefact's bytes, held to the manifest: in ``folder``, under the artefact's name.

    Raises:
        NotFound: the version has no such artefact; the hint names those that it has.
        DataLoss: the store holds other bytes.
    """
    manifest = shelf.manifest(version)
    artifact = manifest.artifacts.get(name)
    if artifact is None:
        known = ", ".join(manifest.artifacts)
        raise NotFound(
            f"Version {version} of {shelf} has no artefact {name}.",
            hint=f"It has {known}." if known else "taxiway edge build, or taxiway browser build, makes some.",
        )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shelf.store.fetch(f"{shelf.at(shelf.name_of(version))}/{artifact.stored}", path)
    check_file(path, artifact.file)
    return path


def damaged_artifacts(directory: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the artefacts of the version in a directory, by name; nothing with those left out."""
    found = {}
    for name, artifact in manifest.artifacts.items():
        try:
            check_file(directory / artifact.stored, artifact.file)
        except DataLoss as error:
            found[name] = error.message
    return found


def _checked(target: str, source: Path, variants: Mapping[str, Made]) -> set[str]:
    if not target.isidentifier():
        raise InvalidArgument(f"{target!r} is no target of artefacts.", hint="edge, browser")
    names: set[str] = set()
    for variant, one in variants.items():
        for name in one.files:
            if {"", ".", ".."} & set(name.split("/")) or not (source / name).is_file():
                raise InvalidArgument(f"{variant} names {name}, which is no file in {source}.")
            if name in names or name == MANIFEST_FILE:
                raise InvalidArgument(f"Two artefacts cannot both be called {target}/{name}.")
            names.add(name)
        if not one.files:
            raise InvalidArgument(f"{variant} has no files.")
    return names


def _place(shelf: Shelf, folder: str, source: Path, names: Collection[str], finish: Any) -> None:
    there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    if extra := sorted(there - set(names) - {MANIFEST_FILE}):
        raise InvalidArgument(
            f"{source} holds files of no artefact: {', '.join(extra)}.", hint="Name them in a variant, or remove them."
        )
    shelf.store.place(folder, source, finish)


def _swap(
    shelf: Shelf, version: int, made: Mapping[str, Artifact], gone: Collection[tuple[str, str]]
) -> tuple[Manifest, Manifest]:
    """Replace the manifest by one with the artefacts; the one before, and the new one."""
    name = shelf.at(shelf.name_of(version), MANIFEST_FILE)
    where = f"{shelf.store.location}/{name}"
    for _ in range(_TRIES):
        there = shelf.store.read(name)
        if there is None:
            raise Aborted(f"Version {version} of {shelf} was removed meanwhile.")
        before = parse_manifest(there.data, where)
        kept = {key: one for key, one in before.artifacts.items() if (one.target, one.variant) not in gone}
        if both := sorted(kept.keys() & made.keys()):
            one = kept[both[0]]
            raise InvalidArgument(f"{both[0]} is a file of {one.target} {one.variant} already.")
        data = _with(there, {**kept, **made})
        try:
            shelf.store.write(name, data, there.tag)
            return before, parse_manifest(data, where)
        except (Aborted, AlreadyExists):
            continue
    raise Aborted(f"{where} is changed by others all the time.", hint="Try again.")


def _with(document: Document, artifacts: Mapping[str, Artifact]) -> bytes:
    """The manifest with these artefacts. All else stays, also what a newer Taxiway wrote and this one ignores."""
    value: dict[str, Any] = {key: one for key, one in json.loads(document.data).items() if key != ARTIFACTS}
    if artifacts:
        value[ARTIFACTS] = {name: one.as_json() for name, one in sorted(artifacts.items())}
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"A contract cannot be written as JSON: {error}.") from None


def _take_back(shelf: Shelf, home: str, folder: str) -> None:
    """Remove what was placed; of a version that was removed meanwhile, the folder that placing made anew."""
    mark = shelf.store.read(f"{home}/{MANIFEST_FILE}")
    if mark is not None and folder in _folders(parse_manifest(mark.data, home)):
        return  # only the answer to the manifest's writing was lost
    shelf.store.remove(f"{home}/{folder}")
    if not any(not entry.is_folder for entry in shelf.store.entries(home, deep=True)):
        shelf.store.remove(home)


def _tidy(shelf: Shelf, home: str, before: Manifest, manifest: Manifest, now: float) -> None:
    """Remove the folders that nothing names any more, and those that nothing ever named when they are a day old."""
    used, former = _folders(manifest), _folders(before)
    ages: dict[str, float] = {}
    with suppress(TaxiwayError):  # the artefacts are there; what is left behind costs room only
        for entry in shelf.store.entries(f"{home}/{ARTIFACTS}", deep=True):
            folder = "/".join((ARTIFACTS, *entry.name.split("/")[:2]))
            ages[folder] = min(ages.get(folder, now), now - entry.modified_at)
        for folder, seconds in ages.items():
            if folder not in used and (folder in former or seconds > _ABANDONED_SECONDS):
                shelf.store.remove(f"{home}/{folder}")


def _folders(manifest: Manifest) -> set[str]:
    return {"/".join(one.stored.split("/")[:3]) for one in manifest.artifacts.values()}
