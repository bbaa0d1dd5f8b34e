"""The data plane, as Python sees it: few calls, each taking and giving one JSON document.

The documents are described in ARCHITECTURE.md, "The seam". ``taxiway.serve.server`` is the only importer of it, and
``taxiway.load.generator`` of the load generator.
"""

from collections.abc import Callable, Sequence
from typing import final

class ServerError(Exception):
    """A refusal of the data plane. ``args`` is ``(kind, message)``, the kind a gRPC code's name."""

@final
class Load:
    """What asks one server the same requests, window after window; each answer is held against the request's first."""

    def __init__(self, target: str, requests: Sequence[tuple[str, bytes]]) -> None: ...
    def start(self, window: str) -> None:
        """Begin a window of load; returns at once. Raises ServerError."""

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the window's end, at most so long, with the lock released. Returns whether it has ended."""

    def finish(self) -> str:
        """JSON: what the window came to. One that still runs is ended at once, its open requests given up."""

    def different(self) -> list[tuple[int, bytes, list[tuple[bytes, int]], int]]:
        """The requests whose answers were not always the same bytes, over all windows so far.

        Each: its number, its first answer, the others with how often they came, and how many were not kept.
        """

@final
class LoadedVersion:
    """A version in memory, warmed and ready to be published."""

    @property
    def id(self) -> int:
        """What a table calls it; never used twice by one server."""

    def describe(self) -> str:
        """JSON: engine, signatures, load and warm-up times."""

    def leases(self) -> int:
        """How many requests and tables hold it now."""

    def release(self, timeout_seconds: float) -> bool:
        """Give up this claim, wait until every lease is returned, and free the memory.

        Returns whether it was freed in time; when not, the last request frees it. The lock is released while waiting.
        """

@final
class Server:
    """The server: its listeners, its table, its loaded versions."""

    def __init__(self, config: str) -> None: ...
    def start(self) -> str:
        """Open the ports. JSON: the addresses that were bound. Raises ServerError when a port is taken."""

    def load(self, spec: str) -> LoadedVersion:
        """Load and warm a version; blocks with the lock released. Raises ServerError."""

    def publish(self, table: str) -> None:
        """Replace the table by one pointer swap. Raises ServerError and keeps the old table when it is not valid."""

    def outcomes(self, model: str) -> str:
        """JSON: what the requests of a model's experiment came to; ``null`` when it never had one.

        The document is described in docs/concepts/traffic.md.
        """

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        """Let ``handler`` answer HandleReloadConfigRequest, serialised messages both ways.

        It is called on a thread of the server's, one call at a time, and fails the call by raising ServerError.
        Without a handler the call is not implemented. Raises ServerError when there is one already.
        """

    def counter(self, name: str) -> int:
        """The value of a counter of the metrics pages, all its samples together; 0 when there is none of that name.

        TensorFlow's names may be written its way, with slashes.
        """

    def stats(self) -> str:
        """JSON: counters and gauges of the moment."""

    def stop(self, drain_seconds: float) -> bool:
        """Refuse new connections, finish requests for at most ``drain_seconds``, close. Returns whether all finished."""

def libraries() -> str:
    """JSON: what was compiled in (version, protocols)."""
