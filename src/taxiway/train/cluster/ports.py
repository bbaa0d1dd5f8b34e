"""Ports of this machine: free ones, and whether someone listens."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["HOST", "free_addresses", "listens"]

HOST = "127.0.0.1"
_PROBE_SECONDS = 0.2


def free_addresses(count: int) -> tuple[str, ...]:
    """``count`` different addresses of this machine at which nobody listens.

    They are free at this moment, not reserved: a process that finds one taken fails, and the next attempt of a launch
    asks for other ones.
    """
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return tuple(f"{HOST}:{one.getsockname()[1]}" for one in sockets)


def listens(address: str) -> bool:
    """Whether something accepts connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        probe = socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_SECONDS)
    except OSError:
        return False
    with probe:
        try:
            # One that was given the very port it asks for, of the range for those who ask for none, answers itself.
            return bool(probe.getsockname() != probe.getpeername())
        except OSError:
            return True  # whoever accepted it has hung up
