"""Verified pulls: a version of a store in a local directory, every byte held to its manifest; artefacts come after it.

CACHE/3/…               a version, whole; it appeared by one rename
CACHE/.partial-3/…      what is there of one so far; a pull that was cut off goes on from it
CACHE/.pulled-3.json    for a version without a manifest: which files of the store it was made of
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxiway.errors import DataLoss, NotFound, Unavailable
from taxiway.stores.directory import explained
from taxiway.stores.durable import rename_new, sync_tree, write_file
from taxiway.stores.manifest import ARTIFACTS, MANIFEST_FILE, Manifest, check_file, parse_manifest, verify
from taxiway.stores.protocol import Entry
from taxiway.stores.shelf import Shelf

__all__ = ["cached_versions", "pull", "pull_artifacts"]


def pull(shelf: Shelf, version: int, cache: Path) -> Path:
    """A local directory with a version's files.

    Args:
        shelf: where the version is.
        version: its number.
        cache: a directory for this shelf alone. Several threads and processes may share it.

    Returns:
        The store's own directory when it is on this machine; else the one in the cache, filled and verified. While
        the store cannot be reached, one that was pulled before will do.

    Raises:
        NotFound: there is no such version.
        DataLoss: what the store holds is not what was published.
        Unavailable: the store cannot be reached. What came so far is kept for the next pull.
        ResourceExhausted: no room in the cache.
    """
    if shelf.store.root is not None:
        return shelf.store.root / shelf.at(shelf.name_of(version))
    target = cache / str(version)
    with explained(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f".lock-{version}"):
            try:
                _fill(shelf, version, target)
            except Unavailable:
                if not _is_whole(target):
                    raise
    return target


def pull_artifacts(shelf: Shelf, version: int, cache: Path) -> bool:
    """Bring a pulled version's artefacts, as the store's manifest lists them now, into its directory in the cache.

    The manifest in the cache becomes the store's once all of them are there; what it no longer names is removed.

    Returns:
        Whether anything was new.

    Raises:
        DataLoss: the store holds other bytes than its manifest says; the cache's manifest stays as it was.
        Unavailable, ResourceExhausted: see :func:`pull`.
    """
    target = cache / str(version)
    name = shelf.at(str(version))
    mark = shelf.store.read(f"{name}/{MANIFEST_FILE}") if (target / MANIFEST_FILE).is_file() else None
    if mark is None or _has(target, mark.data):
        return False
    with explained(cache), _alone(cache / f".lock-{version}"):
        # Others may have brought or removed it while this one waited.
        if not (target / MANIFEST_FILE).is_file() or _has(target, mark.data):
            return False
        manifest = parse_manifest(mark.data, f"{shelf.store.location}/{name}/{MANIFEST_FILE}")
        if parse_manifest((target / MANIFEST_FILE).read_bytes(), str(target)).files != manifest.files:
            return False  # another version of this number: pulling it is what loading does
        for artifact in manifest.artifacts.values():
            path = target / artifact.stored
            if path.is_file() and path.stat().st_size == artifact.file.size_bytes:
                continue
            partial = cache / f".artifact-{version}"
            partial.unlink(missing_ok=True)
            shelf.store.fetch(f"{name}/{artifact.stored}", partial)
            check_file(partial, artifact.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(path)
        _replace_manifest(target, mark.data)
        _remove_others(target, manifest)
    return True


def cached_versions(cache: Path) -> list[int]:
    """The versions that are whole in a cache, newest first."""
    try:
        names = [entry.name for entry in os.scandir(cache) if entry.is_dir()]
    except OSError:
        return []
    return sorted((int(name) for name in names if name.isascii() and name.isdigit()), reverse=True)


def _fill(shelf: Shelf, version: int, target: Path) -> None:
    name = shelf.at(shelf.name_of(version))
    mark = shelf.store.read(f"{name}/{MANIFEST_FILE}")
    if mark is not None:
        _fill_published(shelf, name, mark.data, target)
    else:
        _fill_plain(shelf, name, target)


def _fill_published(shelf: Shelf, name: str, mark: bytes, target: Path) -> None:
    manifest = parse_manifest(mark, f"{shelf.store.location}/{name}/{MANIFEST_FILE}")
    there = (target / MANIFEST_FILE).read_bytes() if (target / MANIFEST_FILE).is_file() else b""
    if there and _is_whole(target):
        if there == mark:
            return
        if parse_manifest(there, str(target)).files == manifest.files:
            # What is added to a version's manifest later are artefacts, which are not pulled.
            _replace_manifest(target, mark)
            return
    partial = _partial(target)
    for file, expected in manifest.files.items():
        path = partial / file
        path.parent.mkdir(parents=True, exist_ok=True)
        went_on = path.exists()
        try:
            _complete(shelf, f"{name}/{file}", path, expected.size_bytes)
            check_file(path, expected)
        except DataLoss:
            path.unlink(missing_ok=True)
            if not went_on:
                raise DataLoss(f"{shelf.store.location}/{name}/{file} is not what was published.") from None
            # The beginning was from an earlier pull, and damaged since.
            shelf.store.fetch(f"{name}/{file}", path)
            check_file(path, expected)
    write_file(partial / MANIFEST_FILE, mark)
    _appear(partial, target)


def _replace_manifest(target: Path, mark: bytes) -> None:
    write_file(target.parent / f".manifest-{target.name}", mark)
    (target.parent / f".manifest-{target.name}").rename(target / MANIFEST_FILE)


def _has(target: Path, mark: bytes) -> bool:
    """Whether the manifest in the cache is this one, and the artefacts that it lists are there."""
    if (target / MANIFEST_FILE).read_bytes() != mark:
        return False
    listed = parse_manifest(mark, str(target)).artifacts.values()
    return all((target / one.stored).is_file() for one in listed)


def _remove_others(target: Path, manifest: Manifest) -> None:
    """Remove the folders of artefacts that were replaced."""
    used = {"/".join(one.stored.split("/")[:3]) for one in manifest.artifacts.values()}
    for folder in (target / ARTIFACTS).glob("*/*"):
        if folder.relative_to(target).as_posix() not in used:
            shutil.rmtree(folder, ignore_errors=True)


def _complete(shelf: Shelf, name: str, path: Path, size_bytes: int) -> None:
    if not path.exists() or path.stat().st_size < size_bytes or size_bytes == 0:
        shelf.store.fetch(name, path)


def _fill_plain(shelf: Shelf, name: str, target: Path) -> None:
    """A version that something else put there: sizes are all that can be held to, before and after."""
    entries = [entry for entry in shelf.store.entries(name, deep=True) if _is_inside(entry.name)]
    if not entries:
        raise NotFound(f"There is nothing in {shelf.store.location}/{name}.")
    note, document = target.parent / f".pulled-{target.name}.json", _listing(entries)
    if target.is_dir() and note.is_file() and note.read_bytes() == document:
        return
    shutil.rmtree(target.parent / f".partial-{target.name}", ignore_errors=True)
    partial = _partial(target)
    for entry in entries:
        path = partial / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shelf.store.fetch(f"{name}/{entry.name}", path)
        if path.stat().st_size != entry.size_bytes:
            raise DataLoss(f"{shelf.store.location}/{name}/{entry.name} changed while it was pulled.")
    _appear(partial, target)
    write_file(note, document)


def _listing(entries: list[Entry]) -> bytes:
    return json.dumps({entry.name: [entry.size_bytes, entry.tag] for entry in entries}, sort_keys=True).encode()


def _is_inside(name: str) -> bool:
    return bool(name) and not name.endswith("/") and not {"", "..", "."} & set(name.split("/"))


def _partial(target: Path) -> Path:
    partial = target.parent / f".partial-{target.name}"
    partial.mkdir(parents=True, exist_ok=True)
    return partial


def _appear(partial: Path, target: Path) -> None:
    sync_tree(partial)
    # Another version of this number, from a bucket that was emptied and filled again, or a damaged one.
    shutil.rmtree(target, ignore_errors=True)
    rename_new(partial, target)


def _is_whole(target: Path) -> bool:
    """Whether an earlier pull can be used as it is."""
    if not (target / MANIFEST_FILE).is_file():
        return target.is_dir() and (target.parent / f".pulled-{target.name}.json").is_file()
    try:
        verify(target)
    except DataLoss:
        return False
    return True


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold others off, in this process and in others, until the block ends or this process does."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
