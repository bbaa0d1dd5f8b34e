"""Where versions live."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from taxiway.clock import Clock
from taxiway.errors import InvalidArgument, Unimplemented
from taxiway.publish.manifest import Manifest

__all__ = ["Finish", "Store", "open_store"]


class Finish(Protocol):
    """Makes the manifest for a version's number, which is only known when it is taken."""

    def __call__(self, version: int) -> Manifest:
        """The manifest."""
        ...


class Store(Protocol):
    """Models by name, versions by number. A version is there wholly or not at all, and never changes."""

    def models(self) -> list[str]:
        """The names of the models, sorted."""
        ...

    def versions(self, model: str) -> list[int]:
        """The versions of a model, newest first; none of an unknown model."""
        ...

    def staging(self, model: str) -> AbstractContextManager[Path]:
        """A new local directory in which to prepare a version; gone, with what is left in it, when the block ends."""
        ...

    def commit(self, model: str, staged: Path, finish: Finish, version: int | None = None) -> tuple[Manifest, str]:
        """Make what stands in ``staged`` a version: the next number, or ``version``.

        Two that commit at once both succeed, with different numbers.

        Returns:
            The manifest, and where the version is.

        Raises:
            AlreadyExists: ``version`` is there.
        """
        ...

    def path(self, model: str, version: int) -> Path:
        """A local directory with the version's files.

        Raises:
            NotFound: there is no such version.
        """
        ...


def open_store(location: str | os.PathLike[str], clock: Clock) -> Store:
    """The store at a path or URL.

    Raises:
        Unimplemented: stores of this kind cannot be written yet.
        InvalidArgument: the URL's scheme is unknown.
    """
    from taxiway.publish.stores.directory import DirectoryStore

    parts = urlsplit(os.fspath(location))
    if parts.scheme == "file":
        return DirectoryStore(Path(unquote(parts.path)), clock)
    if "://" not in os.fspath(location):
        return DirectoryStore(Path(location), clock)
    if parts.scheme in ("gs", "s3"):
        raise Unimplemented(
            f"Taxiway does not write to {parts.scheme}:// stores yet.",
            hint="Publish into a directory and copy it there, the manifest (taxiway.json) last.",
        )
    raise InvalidArgument(f"{location} is no store.", hint="A store is a directory.")
