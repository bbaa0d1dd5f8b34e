"""Writing that survives a power cut, and a rename that replaces nothing."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from taxiway.stores.manifest import File, digest_of

__all__ = ["copy_file", "describe_bytes", "fill_file", "rename_new", "sync_directory", "sync_tree", "write_file"]

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
# A kernel or file system without the flag says one of these.
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def copy_file(source: Path, target: Path) -> File:
    """Copy a file's bytes to disk; returns its size and digest, of the very bytes that were written."""
    with source.open("rb") as reader, target.open("xb") as writer:
        digest = digest_of(reader, writer.write)
        size_bytes = writer.tell()
        writer.flush()
        os.fsync(writer.fileno())
    return File(size_bytes, digest)


def describe_bytes(data: bytes) -> File:
    """The size and digest of bytes."""
    return File(len(data), hashlib.sha256(data).hexdigest())


def fill_file(source: Path, target: Path) -> None:
    """Append to ``target`` what it lacks of ``source``."""
    with source.open("rb") as reader, target.open("ab") as writer:
        reader.seek(writer.tell())
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())


def write_file(path: Path, data: bytes) -> None:
    """Write a file, replacing it, to disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Make the names in a directory and in all below it last."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            sync_directory(path)
    sync_directory(root)


def rename_new(source: Path, target: Path) -> None:
    """Rename a directory that is not empty to a name that nothing has.

    Raises:
        FileExistsError: something has the name.
    """
    rename = _renameat2()
    if rename is not None:
        if rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), str(target))
    # Without the flag a rename still refuses to replace a directory that holds something, and every version does.
    if target.exists() or target.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        raise


@cache
def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function
