"""A store that is a directory: ``store/MODEL/NUMBER/``, as TensorFlow Serving has it.

A version is prepared in a directory whose name begins with a dot, beside the versions, so on the same file system, and
appears by one rename. A publisher that is killed leaves such a directory behind; a later one removes it after a day.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taxiway.clock import Clock
from taxiway.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from taxiway.publish.manifest import MANIFEST_FILE, Manifest
from taxiway.publish.stores import Finish
from taxiway.publish.stores.durable import rename_new, sync_directory, write_file

__all__ = ["DirectoryStore"]

_STAGING = ".staging-"
_STALE_SECONDS = 86_400
_MAX_VERSION = (1 << 63) - 1


class DirectoryStore:
    """A store in a directory, which is made when something is first published.

    Args:
        root: the directory.
        clock: says how old what is left behind is.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    def models(self) -> list[str]:
        """The directories that hold a version."""
        if not self._root.is_dir():
            return []
        names = (path.name for path in self._root.iterdir() if path.is_dir() and not path.name.startswith("."))
        return sorted(name for name in names if self.versions(name))

    def versions(self, model: str) -> list[int]:
        """The directories whose name is a number."""
        return sorted(set(self._numbered(_checked(model))), reverse=True)

    @contextmanager
    def staging(self, model: str) -> Iterator[Path]:
        """A directory beside the model's versions."""
        home = self._root / _checked(model)
        with _explained(home):
            home.mkdir(parents=True, exist_ok=True)
            self._remove_stale(home)
            path = home / f"{_STAGING}{secrets.token_hex(8)}"
            path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def commit(self, model: str, staged: Path, finish: Finish, version: int | None = None) -> tuple[Manifest, str]:
        """Write the manifest, make everything last, and rename; with the next number again when another took it."""
        home = self._root / _checked(model)
        while True:
            number = self._next(model) if version is None else version
            manifest = finish(number)
            write_file(staged / MANIFEST_FILE, manifest.as_bytes())
            _sync_tree(staged)
            target = home / str(number)
            try:
                # Numbers may be written with zeros before them: 0003 is version 3 as well.
                if number in self._numbered(model):
                    raise FileExistsError(target)
                rename_new(staged, target)
            except FileExistsError:
                if version is None:
                    continue
                raise AlreadyExists(
                    f"Version {number} of {model} is there already: {target}.",
                    hint="Versions never change. Leave the number out to take the next one.",
                ) from None
            sync_directory(home)
            sync_directory(self._root)
            return manifest, str(target)

    def path(self, model: str, version: int) -> Path:
        """The version's directory."""
        for number, path in self._numbered(_checked(model)).items():
            if number == version:
                return path
        raise NotFound(f"There is no version {version} of {model} in {self._root}.", hint="taxiway versions list MODEL")

    def _numbered(self, model: str) -> dict[int, Path]:
        home = self._root / model
        if not home.is_dir():
            return {}
        found = (path for path in home.iterdir() if path.name.isascii() and path.name.isdigit() and path.is_dir())
        return {int(path.name): path for path in found}

    def _next(self, model: str) -> int:
        number = max(self._numbered(model), default=0) + 1
        if number > _MAX_VERSION:
            raise FailedPrecondition(f"{model} has used up its version numbers: the highest is {_MAX_VERSION}.")
        return number

    def _remove_stale(self, home: Path) -> None:
        for path in home.glob(f"{_STAGING}*"):
            # Another publisher may remove it, or finish it, at the same moment.
            with suppress(FileNotFoundError):
                if self._clock.now() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)


def _checked(model: str) -> str:
    if not model or model.startswith(".") or any(one in model for one in "/\\:\0"):
        raise InvalidArgument(
            f"{model!r} cannot be a model's name.", hint="Use letters, digits, '-', '_'; no slash, colon, or dot first."
        )
    return model


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FailedPrecondition(f"The store cannot be written: {home}: {error.strerror}.") from None


def _sync_tree(root: Path) -> None:
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            sync_directory(path)
    sync_directory(root)
