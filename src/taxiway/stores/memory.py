"""A store in this process's memory, for tests and for the conformance suite."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from taxiway.clock import Clock
from taxiway.errors import Aborted, AlreadyExists, NotFound
from taxiway.stores.directory import local_files
from taxiway.stores.durable import describe_bytes
from taxiway.stores.manifest import MANIFEST_FILE
from taxiway.stores.protocol import Document, Entry, Finish

__all__ = ["MemoryStore"]


@dataclass(frozen=True)
class _Kept:
    data: bytes
    tag: str
    modified_at: float


class MemoryStore:
    """What is written here is gone with the process.

    Args:
        clock: says when things were written.
        location: what it is called in messages.
    """

    root: Path | None = None

    def __init__(self, clock: Clock, location: str = "memory://") -> None:
        self.location = location
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._writes = 0
        self._lock = threading.RLock()

    def entries(self, folder: str, *, deep: bool = False) -> list[Entry]:
        """List by the beginning of names."""
        start = f"{folder}/" if folder else ""
        found: dict[str, Entry] = {}
        with self._lock:
            for name, kept in self._kept.items():
                if not name.startswith(start):
                    continue
                rest = name.removeprefix(start)
                child, slash, _ = rest.partition("/")
                if slash and not deep:
                    found[child] = Entry(child, is_folder=True)
                else:
                    found[rest] = Entry(rest, False, len(kept.data), kept.modified_at, kept.tag)
        return [found[name] for name in sorted(found)]

    def read(self, name: str) -> Document | None:
        """Look it up."""
        with self._lock:
            kept = self._kept.get(name)
            return None if kept is None else Document(kept.data, kept.tag)

    def write(self, name: str, data: bytes, expected: str | None = None) -> str:
        """Compare and set, under a lock."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept.data == data:
                return kept.tag
            if kept is not None and expected is None:
                raise AlreadyExists(f"{self.location}/{name} is there already.")
            if expected is not None and (kept is None or kept.tag != expected):
                raise Aborted(f"{self.location}/{name} was changed by another.", hint="Look again and repeat.")
            return self._keep(name, data)

    def place(self, folder: str, source: Path, finish: Finish) -> None:
        """Keep every file, the mark last."""
        if self.read(f"{folder}/{MANIFEST_FILE}") is not None:
            raise AlreadyExists(f"{self.location}/{folder} is there already.", hint="Versions never change.")
        files = {}
        try:
            for name, path in local_files(source):
                data = path.read_bytes()
                with self._lock:
                    self._keep(f"{folder}/{name}", data)
                files[name] = describe_bytes(data)
            self.write(f"{folder}/{MANIFEST_FILE}", finish(files))
        except BaseException:
            self.remove(folder)
            raise

    def fetch(self, name: str, target: Path) -> None:
        """Append what is missing."""
        there = self.read(name)
        if there is None:
            raise NotFound(f"There is no {name} in {self.location}.")
        with target.open("ab") as file:
            file.write(there.data[file.tell() :])

    def remove(self, name: str) -> None:
        """Forget it and all below it."""
        with self._lock:
            for key in [key for key in self._kept if key == name or key.startswith(f"{name}/")]:
                del self._kept[key]

    def _keep(self, name: str, data: bytes) -> str:
        self._writes += 1
        self._kept[name] = _Kept(data, str(self._writes), self._clock.now())
        return str(self._writes)
