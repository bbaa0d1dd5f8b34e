"""A store in an object store: files under a prefix, the commit mark written last and only if it is not there.

An object store has no rename, so a folder's files stand there before it is whole. A folder counts only with its mark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from taxiway.errors import Aborted, AlreadyExists, NotFound, TaxiwayError
from taxiway.stores.bucket import Bucket
from taxiway.stores.directory import explained, local_files
from taxiway.stores.manifest import MANIFEST_FILE, File
from taxiway.stores.protocol import Document, Entry, Finish

__all__ = ["ObjectStore"]

_BLOCK_BYTES = 8 << 20


class ObjectStore:
    """Folders in a bucket.

    Args:
        bucket: the calls.
        location: its URL, for messages.
    """

    root: Path | None = None

    def __init__(self, bucket: Bucket, location: str) -> None:
        self._bucket = bucket
        self.location = location.rstrip("/")

    def entries(self, folder: str, *, deep: bool = False) -> list[Entry]:
        """List, shallow or deep."""
        prefix = f"{folder}/" if folder else ""
        return sorted(self._bucket.list(prefix, deep=deep), key=lambda entry: entry.name)

    def read(self, name: str) -> Document | None:
        """Get it."""
        return self._bucket.get(name)

    def write(self, name: str, data: bytes, expected: str | None = None) -> str:
        """Put under a condition. One that failed is looked at: the answer to an earlier try may have been lost."""
        try:
            return self._bucket.put(name, data, expected)
        except (AlreadyExists, Aborted, NotFound):
            there = self._bucket.get(name)
            if there is not None and there.data == data:
                return there.tag
            where = f"{self.location}/{name}"
            if expected is None:
                raise AlreadyExists(f"{where} is there already.") from None
            raise Aborted(f"{where} was changed by another.", hint="Look again and repeat.") from None

    def place(self, folder: str, source: Path, finish: Finish) -> None:
        """Upload, look that all is there, put the mark."""
        mark = f"{folder}/{MANIFEST_FILE}"
        if self._bucket.get(mark) is not None:
            raise AlreadyExists(f"{self.location}/{folder} is there already.", hint="Versions never change.")
        try:
            files = {name: self._upload(f"{folder}/{name}", path) for name, path in local_files(source)}
            self._confirm(folder, files)
            self.write(mark, finish(files))
        except BaseException:
            # What cannot be removed has no mark, or lost it first; pruning removes it after a day.
            with suppress(TaxiwayError):
                self.remove(folder)
            raise

    def fetch(self, name: str, target: Path) -> None:
        """Get part after part, so that a cut connection costs one part."""
        folder, slash, last = name.rpartition("/")
        entry = next((one for one in self._bucket.list(folder + slash, deep=False) if one.name == last), None)
        if entry is None:
            raise NotFound(f"There is no {name} in {self.location}.")
        with explained(target), target.open("ab") as file:
            for start in range(file.tell(), entry.size_bytes, _BLOCK_BYTES):
                file.write(self._bucket.get_range(name, start, min(start + _BLOCK_BYTES, entry.size_bytes)))

    def remove(self, name: str) -> None:
        """Delete the mark, then the rest."""
        self._bucket.delete([f"{name}/{MANIFEST_FILE}"])
        self._bucket.delete([*(f"{name}/{one.name}" for one in self._bucket.list(f"{name}/", deep=True)), name])

    def _upload(self, name: str, path: Path) -> File:
        digest = hashlib.sha256()
        sizes = []

        def note(block: bytes) -> None:
            digest.update(block)
            sizes.append(len(block))

        self._bucket.upload(name, _blocks(path, note))
        return File(sum(sizes), digest.hexdigest())

    def _confirm(self, folder: str, files: dict[str, File]) -> None:
        """Hold what the store lists to what was sent, also after another removed it as left behind."""
        there = {one.name: one.size_bytes for one in self._bucket.list(f"{folder}/", deep=True)}
        for name, file in files.items():
            if there.get(name) != file.size_bytes:
                raise Aborted(
                    f"{self.location}/{folder}/{name} is not in the store as it was sent.", hint="Publish again."
                )


def _blocks(path: Path, note: Callable[[bytes], None]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            note(block)
            yield block
