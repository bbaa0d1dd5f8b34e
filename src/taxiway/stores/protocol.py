"""What a store is. Every implementation passes ``taxiway.testing.stores``.

A store knows folders, small documents and files; what a model or a version is stands in the modules beside this one,
written once for all stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from taxiway.stores.manifest import File

__all__ = ["Document", "Entry", "Finish", "Store"]


@dataclass(frozen=True)
class Entry:
    """Something in a folder.

    Attributes:
        name: relative to the folder that was asked for; with ``/`` between when it lies deeper.
        is_folder: whether it is one.
        size_bytes: of a file.
        modified_at: of a file, seconds since the epoch, by the store's clock.
        tag: of a file: changes when its bytes do.
    """

    name: str
    is_folder: bool = False
    size_bytes: int = 0
    modified_at: float = 0.0
    tag: str = ""


@dataclass(frozen=True)
class Document:
    """A small file's bytes, and the tag that a conditional write of it must name."""

    data: bytes
    tag: str


Finish: TypeAlias = Callable[[Mapping[str, File]], bytes]
"""Makes the commit mark's bytes from what was placed, by path under the folder."""


class Store(Protocol):
    """Folders of files by name, ``/`` between. Any thread may call any method.

    Every method raises Unavailable when the store cannot be reached, PermissionDenied or Unauthenticated when it
    refuses, ResourceExhausted when it is full, FailedPrecondition when it cannot be used at all.

    Attributes:
        location: where it is, for messages; a path or URL without a slash at its end.
        root: the directory, of a store that is one on this machine.
    """

    location: str
    root: Path | None

    def entries(self, folder: str, *, deep: bool = False) -> list[Entry]:
        """What is in a folder, sorted by name: its children, or (``deep``) every file below it.

        A folder that is not there is empty. What is being placed is not shown as a whole: a folder is placed when its
        commit mark is there.
        """
        ...

    def read(self, name: str) -> Document | None:
        """A document; None when it is not there."""
        ...

    def write(self, name: str, data: bytes, expected: str | None = None) -> str:
        """Write a document in one step: a new one, or (``expected``) in the place of the one with that tag.

        One that holds just ``data`` already counts as written, so a write whose answer was lost can be tried again.

        Returns:
            Its tag.

        Raises:
            AlreadyExists: it is there, and ``expected`` is None.
            Aborted: it is not there, or another wrote it since ``expected`` was read.
        """
        ...

    def place(self, folder: str, source: Path, finish: Finish) -> None:
        """Put the files of a local directory into a new folder, and the commit mark last.

        Links become what they point to; a mark in ``source`` is left out. When it fails, no mark is there, and what
        was placed is removed as far as the store can be reached. One folder must not be placed by two at once.

        Raises:
            AlreadyExists: the folder has a mark.
        """
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Append to a local file what it lacks of a stored one, from its present length on.

        Raises:
            NotFound: it is not there.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a document, or a folder and all in it, its commit mark first. Of nothing, nothing."""
        ...
