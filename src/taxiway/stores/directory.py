"""A store that is a directory: ``store/MODEL/NUMBER/``, as TensorFlow Serving has it.

A folder is prepared under a name that begins with a dot, beside its place, so on the same file system, and appears by
one rename. A publisher that is killed leaves such a directory behind; a later one removes it after a day.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taxiway.clock import Clock
from taxiway.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted, TaxiwayError
from taxiway.stores.durable import copy_file, fill_file, rename_new, sync_directory, sync_tree, write_file
from taxiway.stores.manifest import ARTIFACTS, MANIFEST_FILE, File
from taxiway.stores.protocol import Document, Entry, Finish

__all__ = ["DirectoryStore", "explained", "local_files"]

_STAGING = ".staging-"
_REMOVED = ".removed-"
_WRITING = ".writing-"
_STALE_SECONDS = 86_400
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DirectoryStore:
    """A store in a directory, which is made when something is first written.

    Args:
        root: the directory.
        clock: says how old what is left behind is.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root: Path | None = root
        self.location = str(root)
        self._root = root
        self._clock = clock

    def entries(self, folder: str, *, deep: bool = False) -> list[Entry]:
        """Read the directory."""
        home = self._root / folder
        with explained(home):
            try:
                found = list(_walked(home, "") if deep else _listed(home))
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(found, key=lambda entry: entry.name)

    def read(self, name: str) -> Document | None:
        """Read the file; its tag is its digest."""
        with explained(self._root / name):
            try:
                data = (self._root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        return Document(data, _tag(data))

    def write(self, name: str, data: bytes, expected: str | None = None) -> str:
        """Write beside, then rename, under a lock that the directory itself carries."""
        path = self._root / name
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.parent):
                there = self.read(name)
                tag = None if there is None else there.tag
                if tag == _tag(data):
                    return tag
                if tag != expected:
                    raise _refused(path, expected)
                beside = path.parent / f"{_WRITING}{secrets.token_hex(8)}"
                try:
                    write_file(beside, data)
                    beside.rename(path)
                finally:
                    beside.unlink(missing_ok=True)
                sync_directory(path.parent)
        return _tag(data)

    def place(self, folder: str, source: Path, finish: Finish) -> None:
        """Copy, make everything last, rename."""
        target = self._root / folder
        staged = target.parent / f"{_STAGING}{secrets.token_hex(8)}"
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._remove_stale(target.parent)
            try:
                staged.mkdir()
                files = _copy_tree(source, staged)
                write_file(staged / MANIFEST_FILE, finish(files))
                sync_tree(staged)
                rename_new(staged, target)
            except FileExistsError:
                raise AlreadyExists(f"{target} is there already.", hint="Versions never change.") from None
            finally:
                shutil.rmtree(staged, ignore_errors=True)
            sync_directory(target.parent)
            sync_directory(self._root)

    def fetch(self, name: str, target: Path) -> None:
        """Copy what is missing."""
        with explained(target):
            try:
                fill_file(self._root / name, target)
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise NotFound(f"There is no {name} in {self.location}.") from None

    def remove(self, name: str) -> None:
        """Take a folder out of sight by one rename, then remove it."""
        path = self._root / name
        with explained(path), suppress(FileNotFoundError, NotADirectoryError):
            if not path.is_dir() or path.is_symlink():
                path.unlink()
                return
            gone = path.parent / f"{_REMOVED}{secrets.token_hex(8)}"
            path.rename(gone)
            sync_directory(path.parent)
            shutil.rmtree(gone)

    def _remove_stale(self, home: Path) -> None:
        for path in [*home.glob(f"{_STAGING}*"), *home.glob(f"{_REMOVED}*")]:
            # Another publisher may remove it, or finish it, at the same moment.
            with suppress(FileNotFoundError):
                if self._clock.now() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)


def local_files(source: Path) -> Iterator[tuple[str, Path]]:
    """The files that a version is made of, by path with ``/`` between.

    A commit mark is not one of them, and neither are the artefacts of a version that has one.
    """
    published = (source / MANIFEST_FILE).is_file()
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and name != MANIFEST_FILE and not (published and name.startswith(f"{ARTIFACTS}/")):
            yield name, path


def _copy_tree(source: Path, staged: Path) -> dict[str, File]:
    published = (source / MANIFEST_FILE).is_file()
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_dir() and not (published and inside.parts[0] == ARTIFACTS):
            (staged / inside).mkdir(parents=True, exist_ok=True)
    files = {}
    for name, path in local_files(source):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        files[name] = copy_file(path, staged / name)
    return files


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into an error of ours."""
    try:
        yield
    except TaxiwayError:
        raise
    except OSError as error:
        where = f"{path}: {error.strerror or error}"
        if error.errno in _FULL:
            raise ResourceExhausted(f"No room is left: {where}.", hint="Make room and try again.") from None
        raise FailedPrecondition(f"The store cannot be used: {where}.") from None


def _refused(path: Path, expected: str | None) -> TaxiwayError:
    if expected is None:
        return AlreadyExists(f"{path} is there already.")
    return Aborted(f"{path} was changed by another.", hint="Look again and repeat.")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _listed(home: Path) -> Iterator[Entry]:
    with os.scandir(home) as entries:
        yield from (_entry(one, one.name) for one in entries)


def _walked(home: Path, under: str) -> Iterator[Entry]:
    with os.scandir(home / under) as entries:
        for one in entries:
            name = f"{under}/{one.name}" if under else one.name
            if not one.is_dir():
                yield _entry(one, name)
                continue
            # One that is removed meanwhile takes nothing with it but its own files.
            with suppress(FileNotFoundError, NotADirectoryError):
                yield from _walked(home, name)


def _entry(one: os.DirEntry[str], name: str) -> Entry:
    if one.is_dir():
        return Entry(name, is_folder=True)
    try:
        status = one.stat()
    except FileNotFoundError:  # removed since it was listed, or a link to nothing
        return Entry(name)
    return Entry(name, False, status.st_size, status.st_mtime, f"{status.st_ino}-{status.st_ctime_ns}")


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
