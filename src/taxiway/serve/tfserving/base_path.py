"""A model's base path, looked at as TensorFlow Serving does, with its words in the log; each thing is said once.

What TensorFlow Serving loads at once is loaded here when it is whole and quiet. What stays half a version without
changing is loaded too, after a while: the load fails with the engine's own words, which say more than waiting for ever.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from taxiway.clock import Clock
from taxiway.serve.completeness import Watch
from taxiway.serve.plan import Found
from taxiway.serve.source import Observation, version_of

__all__ = ["BasePath", "Patience"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a version must not have changed: a whole one, and one with something missing. None: do not check."""

    whole_seconds: float | None = 1.0
    missing_seconds: float = 5.0


class BasePath:
    """The directory whose children named by a number are the versions of ``servable``."""

    def __init__(self, servable: str, path: str, patience: Patience, clock: Clock) -> None:
        self.path = path
        self._servable = servable
        self._patience = patience
        self._clock = clock
        self._watches: dict[str, Watch] = {}
        self._said = ""

    def look(self) -> Observation:
        """The versions there now."""
        try:
            names = self._children()
        except OSError as error:
            problem = (
                f"Could not find base path {self.path} for servable {self._servable} "
                f"with error {os.strerror(error.errno or 0)}"
            )
            self._say(logging.ERROR, f"FileSystemStoragePathSource encountered a filesystem access error: {problem}")
            return Observation(problem=problem)
        numbered = {number: name for name in names if (number := version_of(name)) is not None}
        if numbered:
            self._said = ""
        else:
            self._say(
                logging.WARNING,
                f"No versions of servable {self._servable} found under base path {self.path}. "
                "Did you forget to name your leaf directory as a number (eg. '/1/')?",
            )
        self._watches = {name: self._watches.get(name) or Watch(Path(self.path, name)) for name in numbered.values()}
        return Observation(
            tuple(
                Found(number, os.path.join(self.path, name), self._waiting(self._watches[name]))
                for number, name in sorted(numbered.items())
            )
        )

    def _children(self) -> list[str]:
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())

    def _waiting(self, watch: Watch) -> str:
        """Why a version may not be loaded yet; empty when it may."""
        if self._patience.whole_seconds is None:
            return ""
        waiting = watch.look(self._clock, self._patience.whole_seconds)
        unchanged_seconds = self._clock.monotonic() - watch.changed_at
        return "" if watch.stamp is not None and unchanged_seconds >= self._patience.missing_seconds else waiting

    def _say(self, level: int, text: str) -> None:
        if text != self._said:
            log.log(level, "%s", text)
            self._said = text
