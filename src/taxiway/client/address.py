"""Where a server is, read from its URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from taxiway.client.tls import Tls
from taxiway.errors import InvalidArgument

__all__ = ["DEFAULT_SERVER", "Address", "address_of"]

DEFAULT_SERVER = "http://127.0.0.1:8501"

_GRPC_PORT = 8500


@dataclass(frozen=True)
class Address:
    """Where a server listens, and which protocol it speaks there.

    Attributes:
        protocol: ``grpc`` or ``rest``.
        host: its name or number, without brackets; empty on a Unix socket.
        port: see ``host``.
        socket: the path of a Unix socket; None over TCP.
        path: what a proxy puts before ``/v1``, without a slash at its end.
        tls: certificates; None without TLS.
    """

    protocol: Literal["grpc", "rest"]
    host: str = ""
    port: int = 0
    socket: str | None = None
    path: str = ""
    tls: Tls | None = None

    @property
    def target(self) -> str:
        """As gRPC takes it: ``host:port``, or ``unix:path``."""
        return self.authority if self.socket is None else f"unix:{self.socket}"

    @property
    def authority(self) -> str:
        """``host:port``; ``localhost`` on a Unix socket."""
        if self.socket is not None:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(url: str, tls: Tls | None = None) -> Address:
    """The address.

    Args:
        url: ``http://host:8501``, ``grpc://host:8500``, ``https://`` and ``grpcs://`` over TLS, or ``unix:///path``.
        tls: certificates for TLS; the system's authorities when None.

    Raises:
        InvalidArgument: it is none of these, or has no TLS and certificates are given.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    secure = parts.scheme in ("https", "grpcs")
    if tls is not None and not secure:
        raise InvalidArgument(f"{url!r} has no TLS, and certificates are given.", hint="Write https:// or grpcs://.")
    tls = (tls or Tls()) if secure else None
    if parts.scheme in ("grpc", "grpcs") and host and parts.path in ("", "/"):
        return Address("grpc", host, port or _GRPC_PORT, tls=tls)
    if parts.scheme in ("http", "https") and host and not parts.query:
        return Address("rest", host, port or (443 if secure else 80), path=parts.path.rstrip("/"), tls=tls)
    if parts.scheme == "unix" and not parts.netloc and parts.path not in ("", "/"):
        return Address("grpc", socket=parts.path)
    raise InvalidArgument(
        f"{url!r} is no address of a server.",
        hint="Give http://host:8501 for REST or grpc://host:8500 for gRPC; https:// and grpcs:// over TLS.",
    )
