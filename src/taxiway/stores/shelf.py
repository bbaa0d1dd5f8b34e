"""One model's versions in a store: which there are, and how a new one gets its number.

    MODEL/3/…, MODEL/3/taxiway.json       a version; whole when the manifest is there
    MODEL/.taxiway/claims/3               taken before anything of version 3 is written, and never removed
    MODEL/.taxiway/labels.json            see ``labels``
    MODEL/.taxiway/uses/HOLDER.json       see ``uses``

Because claims stay, a number is used once: two that publish at once get two, and the number of a version that was
removed, or that a killed publisher left behind, does not come back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from taxiway.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from taxiway.stores.manifest import MANIFEST_FILE, File, Manifest, parse_manifest
from taxiway.stores.protocol import Store

__all__ = ["Shelf", "checked_name", "models"]

_OURS = ".taxiway"
_MAX_VERSION = (1 << 63) - 1


@dataclass(frozen=True)
class Shelf:
    """A model's place. ``folder`` is its name; empty when the store's location is the model's own."""

    store: Store
    folder: str

    def __str__(self) -> str:
        return f"{self.store.location}/{self.folder}" if self.folder else self.store.location

    def at(self, *names: str) -> str:
        """The store's name of something in the folder."""
        return "/".join((self.folder, *names)) if self.folder else "/".join(names)

    def ours(self, *names: str) -> str:
        """The store's name of something that is no version."""
        return self.at(_OURS, *names)

    def numbered(self) -> dict[int, str]:
        """The folders that are called by a number, whole or not; numbers may be written with zeros before them."""
        names = (entry.name for entry in self.store.entries(self.folder) if entry.is_folder)
        return {int(name): name for name in names if name.isascii() and name.isdigit() and int(name) > 0}

    def with_versions(self, *wanted: int) -> list[int]:
        """The numbers of the versions, whole or not, oldest first; at least one, and those that are ``wanted``.

        Raises:
            NotFound: one of them is not there, or none is; the hint says which are.
        """
        there = sorted(self.numbered())
        missing = [f"version {number}" for number in wanted if number not in there]
        if missing or not there:
            raise NotFound(
                f"There is no {missing[0] if missing else 'version'} of {self.folder} in {self.store.location}.",
                hint=f"It has {', '.join(map(str, there)) or 'none'}.",
            )
        return there

    def versions(self) -> list[int]:
        """The numbers of the versions, newest first.

        In a directory every numbered folder is one, whoever put it there. In an object store only what is whole is:
        what a publisher is still sending stands there too.
        """
        if self.store.root is not None:
            return sorted(self.numbered(), reverse=True)
        return sorted(self.marked(), reverse=True)

    def marked(self) -> set[int]:
        """The versions that Taxiway published, which have a manifest."""
        names = (entry.name.split("/") for entry in self.store.entries(self.folder, deep=True))
        numbers = (parts[0] for parts in names if len(parts) == 2 and parts[1] == MANIFEST_FILE)
        return {int(number) for number in numbers if number.isascii() and number.isdigit() and int(number) > 0}

    def manifest(self, version: int) -> Manifest:
        """A version's manifest.

        Raises:
            NotFound: there is no such version, or it was not published by Taxiway.
            DataLoss: it cannot be read.
        """
        name = self.at(self.name_of(version), MANIFEST_FILE)
        document = self.store.read(name)
        if document is None:
            raise NotFound(f"Version {version} of {self} has no manifest ({MANIFEST_FILE}).")
        return parse_manifest(document.data, f"{self.store.location}/{name}")

    def name_of(self, version: int) -> str:
        """The name of a version's folder.

        Raises:
            NotFound: there is none.
        """
        name = self.numbered().get(version)
        if name is None:
            raise NotFound(f"There is no version {version} in {self}.", hint="taxiway versions list MODEL")
        return name

    def add(
        self, source: Path, make: Callable[[int, Mapping[str, File]], Manifest], version: int | None = None
    ) -> Manifest:
        """Make the files of a local directory a version: the next number, or ``version``.

        Two that add at once both succeed, with different numbers.

        Args:
            source: the directory.
            make: its manifest, of its number and of its files.
            version: the number it must have.

        Raises:
            AlreadyExists: ``version`` is there, or was once.
        """
        number = self._claim(version)
        made: list[Manifest] = []

        def finish(files: Mapping[str, File]) -> bytes:
            made.append(make(number, files))
            return made[-1].as_bytes()

        self.store.place(self.at(str(number)), source, finish)
        return made[-1]

    def claims(self) -> set[int]:
        """The numbers that were ever given out."""
        names = (entry.name for entry in self.store.entries(self.ours("claims")))
        return {int(name) for name in names if name.isascii() and name.isdigit()}

    def _claim(self, version: int | None) -> int:
        taken = self.claims() | set(self.numbered())
        mine = secrets.token_hex(8).encode()
        while True:
            number = max(taken, default=0) + 1 if version is None else version
            if number > _MAX_VERSION:
                raise FailedPrecondition(f"{self} has used up its version numbers: the highest is {_MAX_VERSION}.")
            try:
                if number in taken:
                    raise AlreadyExists(str(number))
                self.store.write(self.ours("claims", str(number)), mine)
                return number
            except AlreadyExists:
                if version is None:
                    taken.add(number)
                    continue
                raise AlreadyExists(
                    f"Version {number} of {self} is there already, or was once.",
                    hint="Versions never change, and numbers are used once. Leave the number out to take the next one.",
                ) from None


def models(store: Store) -> list[str]:
    """The names of the models in a store: its folders that hold a numbered one."""
    names = (entry.name for entry in store.entries("") if entry.is_folder and not entry.name.startswith("."))
    return sorted(name for name in names if ":" not in name and Shelf(store, name).numbered())


def checked_name(model: str) -> str:
    """A model's name.

    Raises:
        InvalidArgument: it cannot be one.
    """
    if not model or model.startswith(".") or any(one in model for one in "/\\:\0"):
        raise InvalidArgument(
            f"{model!r} cannot be a model's name.", hint="Use letters, digits, '-', '_'; no slash, colon, or dot first."
        )
    return model
