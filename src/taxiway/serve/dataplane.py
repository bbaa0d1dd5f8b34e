"""What the control plane needs of a data plane. ``server.py`` has the real one, ``taxiway.testing`` a fake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from taxiway.types import JsonObject

__all__ = ["DataPlane", "Loaded"]


class Loaded(Protocol):
    """A version in memory."""

    @property
    def id(self) -> int:
        """What a table calls it."""
        ...

    def describe(self) -> JsonObject:
        """Engine, signatures, load and warm-up times."""
        ...

    def leases(self) -> int:
        """How many requests and tables hold it."""
        ...

    def release(self, timeout_seconds: float) -> bool:
        """Give it up and wait for its requests; whether they were done in time."""
        ...


class DataPlane(Protocol):
    """What answers requests. Every error is a :class:`taxiway.errors.TaxiwayError`."""

    def start(self) -> JsonObject:
        """Open the ports; ``{"rest": "host:port" | None, "grpc": …}``."""
        ...

    def load(self, spec: JsonObject) -> Loaded:
        """Load and warm a version; may take long, may be called from several threads."""
        ...

    def publish(self, table: JsonObject) -> None:
        """Replace what is served, in one step. A model's ``route`` shares its requests out between versions."""
        ...

    def outcomes(self, model: str) -> JsonObject | None:
        """What the requests of the model's experiment came to; None when it never had one."""
        ...

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        """Let ``handler`` answer HandleReloadConfigRequest; what it raises, the call fails with. Once at most."""
        ...

    def counter(self, name: str) -> int:
        """The value of a counter of the metrics pages; 0 when there is none of that name."""
        ...

    def stats(self) -> JsonObject:
        """Counters and gauges of the moment."""
        ...

    def stop(self, drain_seconds: float) -> bool:
        """Finish requests and close; whether all were finished."""
        ...
