"""What tests of running servers wait with, and listen on."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PATIENCE_SECONDS", "Crowd", "eventually", "free_port"]

PATIENCE_SECONDS = 60


# Below the range that Linux gives to sockets which ask for none: a port from there may be someone else's in the second
# that a server takes to start. Each worker of pytest has its own part; a start by chance keeps two suites apart.
_LOWEST, _HIGHEST, _WORKERS = 20_000, 32_000, 8
_PART = (_HIGHEST - _LOWEST) // _WORKERS
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_ports = itertools.count(random.SystemRandom().randrange(_PART))


def free_port() -> int:
    """A port of the loopback address that nobody listens on, and that this process was not given just before."""
    for number in itertools.islice(_ports, _PART):
        port = _LOWEST + _WORKER * _PART + number % _PART
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def eventually(
    what: Callable[[], Any], seconds: float = PATIENCE_SECONDS, *, instead: Callable[[], object] | None = None
) -> Any:
    """Ask again and again until the answer is truthy; a failure says what is there ``instead``."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (answer := what()):
        assert time.monotonic() < deadline, f"waited too long; there is {instead() if instead else answer!r}"
        pause.wait(0.02)
    return answer


class Crowd:
    """Threads that run for as long as the block does; each looks at ``stopping`` by itself.

    Args:
        runs: what they run, one a thread.
    """

    def __init__(self, *runs: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._threads = [threading.Thread(target=run) for run in runs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()
