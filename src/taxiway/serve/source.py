"""What watches a model's directory and states the versions that are there."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from taxiway.clock import Clock
from taxiway.serve.artifacts import Listings
from taxiway.serve.completeness import Watch
from taxiway.serve.plan import Found

__all__ = ["DirectorySource", "Observation", "Poller", "ReadLabels", "discover", "version_of"]

log = logging.getLogger(__name__)

# TensorFlow Serving reads names with strtoll-like rules: leading zeros count for nothing, and the number is an int64.
_INT64 = range(-(2**63), 2**63)


ReadLabels: TypeAlias = Callable[[], Mapping[str, int]]


@dataclass(frozen=True)
class Observation:
    """One look: the versions found, or (``problem``) why there could be no look; then nothing is known to be gone.

    ``labels`` are the store's: names for versions, which need not be there.
    """

    found: tuple[Found, ...] = ()
    problem: str = ""
    labels: Mapping[str, int] = field(default_factory=dict)


class DirectorySource:
    """A directory whose children named by a number are versions; ``labels`` says how its labels are read, if at all."""

    def __init__(
        self, path: str | os.PathLike[str], quiet_seconds: float, clock: Clock, labels: ReadLabels | None = None
    ) -> None:
        self._clock = clock
        self._labels = labels
        self.path = Path(path).absolute()
        self._quiet_seconds = quiet_seconds
        self._watches: dict[str, Watch] = {}
        self._listings = Listings()

    def look(self) -> Observation:
        """The versions there now."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir())
        except OSError as error:
            return Observation(problem=f"cannot read {self.path}: {error.strerror}")
        numbered = {number: name for name in names if (number := version_of(name)) is not None}
        self._watches = {name: self._watches.get(name) or Watch(self.path / name) for name in numbered.values()}
        found = tuple(self._found(number, self._watches[name]) for number, name in sorted(numbered.items()))
        self._listings.keep({watch.path for watch in self._watches.values()})
        return Observation(
            found,
            labels=self._labels() if self._labels is not None else {},
        )

    def _found(self, version: int, watch: Watch) -> Found:
        waiting = watch.look(self._clock, self._quiet_seconds)
        return Found(version, str(watch.path), waiting, self._listings.of(watch.path))


def version_of(name: str) -> int | None:
    """The version that a directory's name stands for; None when it is no number."""
    digits = name.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(name)
    return number if number in _INT64 else None


def discover(root: Path) -> dict[str, Path]:
    """The models in a directory of models, by name: its children that hold a version.

    Raises:
        OSError: the directory cannot be read.
    """
    with os.scandir(root) as entries:
        children = sorted((entry.name, Path(entry.path)) for entry in entries if not entry.name.startswith("."))
    return {name: path for name, path in children if ":" not in name and holds_versions(path)}


def holds_versions(path: Path) -> bool:
    """Whether a directory has a child that is a version."""
    try:
        with os.scandir(path) as entries:
            return any(version_of(entry.name) is not None and entry.is_dir() for entry in entries)
    except OSError:
        return False


class Poller:
    """A thread that calls ``look`` again and again. A directory that hangs delays looking, never serving."""

    def __init__(self, clock: Clock, interval_seconds: float, look: Callable[[], None]) -> None:
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._look = look
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin; the next look is one interval from now."""
        threading.Thread(target=self._run, name="taxiway-poll", daemon=True).start()

    def stop(self) -> None:
        """End; a look that is under way is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._clock.wait(self._stopped, self._interval_seconds):
            try:
                self._look()
            except Exception:  # the thread must outlive whatever one look does
                log.exception("Looking for models failed.")
