"""Reloads' view of the control plane: which models are wanted, and what has become of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from taxiway.errors import error_of_kind
from taxiway.serve.source import Observation
from taxiway.serve.tfserving.labelled import LabelledPlane
from taxiway.serve.tfserving.model_config import Available, ModelEntry
from taxiway.serve.tfserving.reload import Unserved
from taxiway.settings import ModelSettings
from taxiway.types import JsonObject

__all__ = ["LoopRoster", "Wants"]

_MAY_SERVE = {"START", "LOADING", "AVAILABLE", "UNLOADING"}


class Wants(Protocol):
    """What a roster needs of :class:`taxiway.serve.loop.Loop`."""

    def want(self, models: Mapping[str, ModelSettings]) -> None:
        """Make these the configured models."""
        ...

    def observe(self, name: str, observation: Observation) -> None:
        """Say what a look at a model's source found."""
        ...


class Located(Protocol):
    """What watches a model's base path, here or in an object store."""

    path: str

    def look(self) -> Observation:
        """The versions there."""
        ...


class LoopRoster:
    """The models of one loop, each with its base path.

    Args:
        loop: where models are wanted.
        plane: where they are shown.
        source: the base path of a model.
        settings: how a model is loaded.
        looks: whether to look for versions at all; TensorFlow Serving has a flag that says no.
    """

    def __init__(
        self,
        loop: Wants,
        plane: LabelledPlane,
        source: Callable[[ModelEntry], Located],
        settings: Callable[[ModelEntry], ModelSettings],
        looks: bool = True,
    ) -> None:
        self._loop = loop
        self._plane = plane
        self._source = source
        self._settings = settings
        self._looks = looks
        self._sources: dict[str, Located] = {}
        self._looking = threading.Lock()

    def want(self, models: tuple[ModelEntry, ...]) -> None:
        """Make these the desired models and look at their base paths."""
        with self._looking:
            before = self._sources
            self._sources = {
                model.name: before[model.name]
                if model.name in before and before[model.name].path == model.base_path
                else self._source(model)
                for model in models
            }
            self._loop.want({model.name: self._settings(model) for model in models})
        self._plane.label({model.name: model.labels for model in models})
        self.look()

    def look(self) -> None:
        """Look at every base path once."""
        if not self._looks:
            return
        with self._looking:
            for name, source in self._sources.items():
                self._loop.observe(name, source.look())

    def wait(self, names: Iterable[str], timeout_seconds: float | None) -> list[Unserved] | None:
        """Wait until each named model serves or has only versions that failed for good."""
        names = list(names)

        def settled(table: JsonObject) -> bool:
            return all(_serves(table, name) or _failed(table, name) for name in names)

        outcome: list[Unserved] = []

        def note(table: JsonObject) -> bool:
            if not settled(table):
                return False
            outcome[:] = [_unserved(table, name) for name in names if not _serves(table, name)]
            return True

        return outcome if self._plane.wait_until(note, timeout_seconds) else None

    def available(self) -> Available:
        """The versions that answer requests now."""
        return self._plane.available()


def _serves(table: JsonObject, name: str) -> bool:
    return name in table["models"] and table["models"][name]["default"] is not None


def _failed(table: JsonObject, name: str) -> bool:
    """Whether no version of the model may yet come to serve, and one at least was tried."""
    statuses = table["models"][name]["statuses"] if name in table["models"] else []
    return any(s["error_code"] for s in statuses) and not any(s["state"] in _MAY_SERVE for s in statuses)


def _unserved(table: JsonObject, name: str) -> Unserved:
    """The newest version that failed."""
    status = next(s for s in table["models"][name]["statuses"] if s["error_code"])
    return Unserved(name, status["version"], error_of_kind(status["error_code"], status["error_message"]))
