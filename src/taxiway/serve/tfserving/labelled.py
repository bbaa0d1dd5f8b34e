"""The data plane with TensorFlow Serving's labels, remembering the table it shows.

A label is resolved when a request comes, so it may point to a version that does not serve: such a request is answered
"not found", where a label nobody set is "unrecognized". Waiting for models is waiting for the table: what it does not
show, no request can reach.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from taxiway.serve.dataplane import DataPlane, Loaded
from taxiway.types import JsonObject

__all__ = ["LabelledPlane", "Labels"]

log = logging.getLogger(__name__)

Labels = Mapping[str, Mapping[str, int]]
"""By model, the version that each label points to."""


class LabelledPlane:
    """A :class:`~taxiway.serve.dataplane.DataPlane` around another one."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._changed = threading.Condition()
        self._labels: Labels | None = None
        self._table: JsonObject = {"models": {}}

    def start(self) -> JsonObject:
        """Open the ports."""
        return self._plane.start()

    def load(self, spec: JsonObject) -> Loaded:
        """Load a version."""
        return self._plane.load(spec)

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        """Let ``handler`` answer HandleReloadConfigRequest."""
        self._plane.on_reload(handler)

    def outcomes(self, model: str) -> JsonObject | None:
        """What an experiment came to."""
        return self._plane.outcomes(model)

    def counter(self, name: str) -> int:
        """The value of a counter."""
        return self._plane.counter(name)

    def stats(self) -> JsonObject:
        """Counters and gauges."""
        return self._plane.stats()

    def stop(self, drain_seconds: float) -> bool:
        """Finish requests and close."""
        return self._plane.stop(drain_seconds)

    def publish(self, table: JsonObject) -> None:
        """Show ``table`` with the labels of the moment."""
        with self._changed:
            self._plane.publish(_labelled(table, self._labels))
            before, self._table = self._table, table
            self._changed.notify_all()
        for name, version in sorted(_versions(table) - _versions(before)):
            log.info("Successfully loaded servable version {name: %s version: %d}", name, version)

    def label(self, labels: Labels) -> None:
        """Replace all labels at once; requests see them when this returns."""
        with self._changed:
            if "ready" in self._table:  # nothing was shown yet: the first table will carry them
                self._plane.publish(_labelled(self._table, labels))
            self._labels = labels

    def available(self) -> dict[str, set[int]]:
        """The versions that answer requests now, by model."""
        with self._changed:
            return {
                name: {int(number) for number in model["versions"]} for name, model in self._table["models"].items()
            }

    def wait_until(self, check: Callable[[JsonObject], bool], timeout_seconds: float | None) -> bool:
        """Wait until ``check`` holds for the table that is shown; return whether it did in time."""
        with self._changed:
            return self._changed.wait_for(lambda: check(self._table), timeout_seconds)


def _versions(table: JsonObject) -> set[tuple[str, int]]:
    return {(name, int(number)) for name, model in table["models"].items() for number in model["versions"]}


def _labelled(table: JsonObject, labels: Labels | None) -> JsonObject:
    models = {name: {**model, "labels": dict((labels or {}).get(name, {}))} for name, model in table["models"].items()}
    return {**table, "models": models, "labels_used": labels is not None}
