"""What is served: models by name, directories and buckets of models; and the looking at all of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from taxiway.clock import Clock
from taxiway.errors import InvalidArgument, NotFound, TaxiwayError
from taxiway.serve.cloud import Cache, StoreSource
from taxiway.serve.source import DirectorySource, Observation, discover, holds_versions
from taxiway.settings import ModelSettings, ServerSettings, Settings
from taxiway.stores import Shelf, is_cloud, models, open_store, read_labels

if TYPE_CHECKING:
    from taxiway.serve.loop import Loop

__all__ = ["Place", "Source", "Watched", "Watching", "sort_paths"]

log = logging.getLogger(__name__)

Place: TypeAlias = Path | str
"""A directory on this machine, or a URL in an object store."""

PathLike = str | os.PathLike[str]


class Source(Protocol):
    """What watches a model's versions."""

    def look(self) -> Observation:
        """The versions there."""
        ...


@dataclass(frozen=True)
class Watched:
    """What is served: models by name, and places whose children are models, now and later."""

    models: Mapping[str, Place]
    roots: tuple[Place, ...] = ()


def sort_paths(paths: PathLike | Mapping[str, PathLike]) -> Watched:
    """Tell a model (its children are versions) from a place of models.

    Raises:
        NotFound: no such directory.
        InvalidArgument: it is one version, not a model.
        Unavailable: it is in an object store that cannot be reached, so there is no telling; NAME=URL needs none.
    """
    if isinstance(paths, Mapping):
        return Watched({name: _place(path) for name, path in paths.items()})
    path = _place(paths)
    if isinstance(path, str):
        store = open_store(path)
        if not Shelf(store, "").numbered():
            return Watched({}, (path,))
        return Watched({path.rpartition("/")[2]: path})
    if not path.is_dir():
        raise NotFound(f"no such directory: {path}", hint="give a directory of models, or one model's")
    if any((path / name).is_file() for name in ("saved_model.pb", "model.tflite")):
        raise InvalidArgument(
            f"{path} is one version, not a model", hint=f"move it to NAME/1/ and serve NAME={path.parent}"
        )
    if holds_versions(path):
        return Watched({path.resolve().name: path})
    return Watched({}, (path,))


class Watching:
    """The sources of all models, found and looked at again and again by one thread.

    Args:
        settings: the models that are configured, and how to look.
        watched: what else is served.
        cache: where versions of object stores are brought to.
        clock: time.
    """

    def __init__(self, settings: Settings, watched: Watched, cache: Cache, clock: Clock) -> None:
        self._settings = settings
        self._watched = watched
        self._cache = cache
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._sources: dict[str, Source] = {}
        self._buckets: dict[str, dict[str, Place]] = {}
        self._buckets_due = float("-inf")

    def look(self, loop: Loop) -> None:
        """Look at every place: for models in the roots, for versions in the models."""
        before = set(self._sources)
        for name, place in self._discovered().items():
            if name not in self._sources:
                self._places[name] = place
                self._sources[name] = source_of(place, self._settings.server, self._cache, self._clock)
        if set(self._sources) != before or not before:
            loop.want({name: self._model_settings(name) for name in self._sources})
        for name, source in self._sources.items():
            loop.observe(name, source.look())

    def _discovered(self) -> dict[str, Place]:
        found: dict[str, Place] = {name: _place(model.source) for name, model in self._settings.models.items()}
        buckets_due = self._clock.monotonic() >= self._buckets_due
        if buckets_due:
            self._buckets_due = self._clock.monotonic() + self._settings.server.store_poll_seconds
        for root in self._watched.roots:
            try:
                if isinstance(root, Path):
                    found = {**discover(root), **found}
                    continue
                if buckets_due:
                    self._buckets[root] = {name: f"{root}/{name}" for name in models(open_store(root, self._clock))}
            except (OSError, TaxiwayError):
                pass  # those found before are still watched, and say what is wrong with them
            found = {**self._buckets.get(str(root), {}), **found}
        return {**found, **self._watched.models}

    def _model_settings(self, name: str) -> ModelSettings:
        place = self._places[name]
        source = place if isinstance(place, str) else str(place.absolute())
        return self._settings.models.get(name) or replace(self._settings.defaults, source=source)


def source_of(place: Place, settings: ServerSettings, cache: Cache, clock: Clock) -> Source:
    """What watches a model's place."""
    labels = _StoreLabels(place, clock).read
    if isinstance(place, str):
        return StoreSource(place, settings, cache, clock, labels)
    return DirectorySource(place, settings.quiet_seconds, clock, labels)


class _StoreLabels:
    """The labels of a model's store; those it last had while they cannot be read."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place, self._clock = place, clock
        self._shelf: Shelf | None = None
        self._last: Mapping[str, int] = {}
        self._said = ""

    def read(self) -> Mapping[str, int]:
        try:
            self._shelf = self._shelf or Shelf(open_store(self._place, self._clock), "")
            self._last, self._said = dict(read_labels(self._shelf).versions), ""
        except TaxiwayError as error:
            if error.message != self._said:
                log.warning("The labels of %s stay as they were: %s", self._place, error.message)
            self._said = error.message
        return self._last


def _place(path: PathLike) -> Place:
    return str(path).rstrip("/") if is_cloud(path) else Path(path)
