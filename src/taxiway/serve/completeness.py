"""Whether a version's directory is whole. People copy models into place; a half-copied one must not be loaded.

With a manifest (``taxiway.json``, written last) it is whole when every file has the size and digest stated there.
Without one it is whole when the graph can be read, the variables have an index and data, and nothing has changed for
a while.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taxiway.clock import Clock
from taxiway.serve import tflite_file

__all__ = ["MANIFEST", "Watch", "looks_whole", "walks_as_protobuf"]

MANIFEST = "taxiway.json"
_CHUNK = 1 << 20
# How seldom a version that was whole is walked again, half to one and a half times; each at a moment of its own.
_WALK_SECONDS = 30.0
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")

Stamp = tuple[tuple[str, int, int], ...]


@dataclass
class Watch:
    """What was seen of one directory so far; a version is looked at again only when something changed in it."""

    path: Path
    stamp: Stamp | None = None
    changed_at: float = 0.0
    problem: str | None = None
    settled: tuple[int, int, int] | None = None
    walk_at: float = 0.0

    def look(self, clock: Clock, quiet_seconds: float) -> str:
        """Why the directory may not be loaded yet; empty when it may.

        Args:
            clock: the same at each call.
            quiet_seconds: how long a directory without a manifest must not have changed.
        """
        if self.settled is not None and clock.monotonic() < self.walk_at and self._top() == self.settled:
            return ""
        waiting = self._walk(clock, quiet_seconds)
        # What is whole is walked seldom: with hundreds of versions, asking for each file's times at each look would be
        # most of what this process does.
        self.settled = None if waiting else self._top()
        self.walk_at = clock.monotonic() + _WALK_SECONDS * (0.5 + zlib.crc32(os.fsencode(self.path)) / 2**32)
        return waiting

    def _top(self) -> tuple[int, int, int] | None:
        """What one call says of the directory: it changes when an entry in it comes, goes, or is replaced."""
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)

    def _walk(self, clock: Clock, quiet_seconds: float) -> str:
        try:
            stamp = _stamp(self.path)
        except OSError as error:
            self.stamp = None
            return f"copying: {error.strerror or error}"
        if stamp != self.stamp:
            self.stamp, self.changed_at, self.problem = stamp, clock.monotonic(), None
        if self.problem is None:
            try:
                self.problem = looks_whole(self.path)
            except OSError as error:
                return f"copying: {error.strerror or error}"
        if self.problem:
            return f"copying: {self.problem}"
        if (self.path / MANIFEST).is_file():
            return ""
        # Either clock will do: the files' own times spare a restart the wait, and ours holds when theirs are wrong.
        newest = max(changed for _, _, changed in stamp) / 1e9
        quiet = clock.now() - newest >= quiet_seconds or clock.monotonic() - self.changed_at >= quiet_seconds
        return "" if quiet else f"copying: changed less than {quiet_seconds:g} s ago"


def _stamp(path: Path) -> Stamp:
    """Names, sizes and change times of all that is in the directory, itself included.

    The inode's change time, not the modification time: copying tools set the latter to the original's.
    """
    found = [(".", 0, path.stat().st_ctime_ns)]
    for entry in _entries(path):
        status = entry.stat()
        found.append((os.path.relpath(entry.path, path), status.st_size, status.st_ctime_ns))
    return tuple(sorted(found))


def _entries(path: str | Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir():
                yield from _entries(entry.path)


def looks_whole(path: Path) -> str:
    """What is missing from the directory as it is now; empty when nothing is.

    Raises:
        OSError: it changed under our feet, or may not be read.
    """
    if (path / MANIFEST).is_file():
        return _manifest_problem(path)
    graph = path / "saved_model.pb"
    lite = path / "model.tflite"
    if not graph.is_file() and not lite.is_file():
        return "no saved_model.pb and no model.tflite yet"
    if lite.is_file() and not tflite_file.is_whole(lite):
        return "model.tflite is not whole"
    if graph.is_file() and not _is_saved_model(graph):
        return "saved_model.pb is not whole"
    return _variables_problem(path / "variables")


def _manifest_problem(path: Path) -> str:
    try:
        files = json.loads((path / MANIFEST).read_bytes())["files"]
        entries = list(files.items()) if isinstance(files, dict) else [(one["path"], one) for one in files]
        stated = [(str(name), _size(one), str(one["sha256"])) for name, one in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is not whole"
    for name, size, _ in stated:
        if not (path / name).is_file() or (path / name).stat().st_size != size:
            return f"{name} is not as {MANIFEST} says"
    for name, _, digest in stated:
        if _sha256(path / name) != digest.removeprefix("sha256:"):
            return f"{name} is not as {MANIFEST} says"
    return ""


def _size(entry: dict[str, object]) -> int:
    return int(str(entry["bytes"] if "bytes" in entry else entry["size"]))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_saved_model(path: Path) -> bool:
    data = path.read_bytes()
    # Field 2, the meta graphs, must be there: the empty file is a valid message too.
    return walks_as_protobuf(data, needs=2)


def walks_as_protobuf(data: bytes, needs: int) -> bool:
    """Whether ``data`` is a whole protobuf message with a field ``needs``, as far as its top level tells."""
    at, seen = 0, False
    while at < len(data):
        key, at = _varint(data, at)
        if key <= 0 or key >> 3 == 0:
            return False
        seen = seen or key >> 3 == needs
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            if value < 0:
                return False
        elif kind == 2:
            length, at = _varint(data, at)
            if length < 0:
                return False
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            return False
    return seen and at == len(data)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends; -1 when it does not end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return -1, at


def _variables_problem(path: Path) -> str:
    if not path.is_dir():
        return ""
    names = [entry.name for entry in path.iterdir()]
    if not names:
        return ""  # TensorFlow writes an empty directory for a model without variables
    if "variables.index" not in names or (path / "variables.index").stat().st_size == 0:
        return "variables/variables.index is not there yet"
    shards = [match for match in map(_SHARD.fullmatch, names) if match]
    whole = bool(shards) and len({match[2] for match in shards}) == 1 and len(shards) == int(shards[0][2])
    return "" if whole else "variables/variables.data is not all there yet"
