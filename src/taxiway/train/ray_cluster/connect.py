"""A connection to Ray: to a cluster that is there, or to one of this machine that is started and ended with it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO, cast

from taxiway.errors import FailedPrecondition, InvalidArgument, Unavailable

__all__ = ["Connection", "Without", "connected", "probe", "ray_module"]

LOCAL = "local"
OBJECT_STORE_BYTES = 100 * 1024 * 1024
_PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Connection:
    """What a connection allows.

    Attributes:
        ray: the module.
        ours: whether the cluster was started for this connection and ends with it.
    """

    ray: Any
    ours: bool

    def total(self, resource: str) -> float:
        """How much of ``CPU`` or ``GPU`` the living machines of the cluster have."""
        return float(self.ray.cluster_resources().get(resource, 0.0))

    def free(self, resource: str) -> float:
        """How much of it nobody uses at the moment."""
        return float(self.ray.available_resources().get(resource, 0.0))


def ray_module() -> Any:
    """The module ``ray``.

    Raises:
        FailedPrecondition: it is not installed.
    """
    # Before the import, which reads it: nothing is reported to anyone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.train
    except ImportError as error:
        raise FailedPrecondition(f"Ray is not installed: {error}.", hint="pip install 'taxiway[ray]'") from None
    return ray


@contextlib.contextmanager
def connected(address: str | None, cpus: int) -> Iterator[Connection]:
    """Be connected to Ray.

    Args:
        address: ``auto`` for the cluster of this machine, or the ``HOST:PORT`` of one; None for the one in
            RAY_ADDRESS, or else one of this machine that is started and ended here. A process that is connected
            already stays as it is.
        cpus: how many CPUs a cluster that is started here has at least; ranks of one machine share its processors.

    Raises:
        FailedPrecondition: Ray is not installed, or the cluster runs other versions of Ray or Python.
        InvalidArgument: the address is none.
        Unavailable: no cluster answers there.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield Connection(ray, ours=False)
        return
    where = address or os.environ.get("RAY_ADDRESS") or LOCAL
    with contextlib.ExitStack() as stack:
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if where == LOCAL:
            # Its own folder, so that nothing of it stays; short, because the sockets' paths may have 107 bytes.
            folder = tempfile.mkdtemp(prefix="taxiway-ray-", dir="/tmp" if os.path.isdir("/tmp") else None)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            given |= {
                "num_cpus": max(cpus, os.cpu_count() or 1),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                # Nobody else's machine has any business with it.
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": folder,
            }
        elif where != "auto":
            probe(ray, where)
        stack.callback(ray.shutdown)
        stack.enter_context(contextlib.redirect_stdout(cast(TextIO, Without(sys.stdout, "ray_"))))
        _init(ray, where, given)
        yield Connection(ray, ours=where == LOCAL)


class Without:
    """A stream without what Ray's own threads write to it: a driver cannot turn off what they say of a lost process."""

    def __init__(self, stream: Any, threads: str) -> None:
        self._stream, self._threads = stream, threads

    def write(self, text: str) -> int:
        """Write, or not."""
        if threading.current_thread().name.startswith(self._threads):
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _init(ray: Any, address: str, given: dict[str, Any]) -> None:
    try:
        ray.init(address=address, **given)
    except Exception as error:  # noqa: BLE001 Ray raises nothing more precise when a node does not come up
        sentence = str(error).strip().partition("\n")[0]
        if "ersion mismatch" in str(error):
            raise FailedPrecondition(
                f"The cluster at {address} runs other versions of Ray or Python: {' '.join(str(error).split())}",
                hint="Install the same versions on every machine.",
            ) from None
        raise Unavailable(f"Ray did not answer at {address}: {sentence}", hint="ray start --head; ray status") from None


def probe(ray: Any, address: str) -> None:
    """Fail in seconds where nobody listens; Ray itself would try for minutes.

    Raises:
        InvalidArgument: the address is none that can be used.
        Unavailable: nobody listens there.
    """
    host, colon, port = address.rpartition(":")
    if address.startswith("ray://"):
        raise InvalidArgument(
            "A Ray client's address cannot be used: the run directory must be shared with the ranks.",
            hint="Start this on a machine of the cluster, with --ray-address auto.",
        )
    if not colon or not host or not port.isascii() or not port.isdecimal():
        raise InvalidArgument(f"{address!r} is no address of a Ray cluster.", hint="auto, or HOST:PORT")
    host = host.strip("[]")
    if host in ("localhost", "127.0.0.1", "::1"):
        # Ray replaces these; where its own processes listen on the loopback only, it would wait for minutes.
        host = ray.util.get_node_ip_address()
        address = f"{host}:{port}, which Ray takes {address} for"
    try:
        socket.create_connection((host, int(port)), _PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise Unavailable(
            f"No Ray cluster answers at {address}: {error}.", hint="ray start --head --port PORT"
        ) from None
