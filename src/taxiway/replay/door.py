"""How a server asks itself: over its Unix socket, else over its port, trusting the certificate that it shows."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from taxiway.errors import FailedPrecondition, NotFound, Unavailable
from taxiway.settings import ServerSettings

__all__ = ["Door", "find"]

_UNBOUNDED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Door:
    """Where gRPC is spoken: an address as gRPC's channels take it; with TLS, whom to trust and by which name."""

    address: str
    trusted: bytes | None = None
    name: str = ""

    def channel(self) -> grpc.Channel:
        """A channel through it."""
        if self.trusted is None:
            return grpc.insecure_channel(self.address, options=_UNBOUNDED)
        options = [*_UNBOUNDED, ("grpc.ssl_target_name_override", self.name)]
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(self.trusted), options=options)


def find(settings: ServerSettings, url: str) -> Door:
    """The door of this machine's server with these settings.

    Args:
        settings: the server's.
        url: ``grpc://host:port`` of its port; empty when that is off.

    Raises:
        FailedPrecondition: it cannot ask itself; the hint says what would work.
        NotFound: its certificate cannot be read.
        Unavailable: nothing answers there with that certificate.
    """
    if settings.grpc_socket:
        return Door(f"unix:{Path(settings.grpc_socket).absolute()}")
    if not url:
        raise FailedPrecondition(
            "this server's gRPC port is off, and recorded requests are asked there", hint="give it a --grpc-port"
        )
    address = url.removeprefix("grpc://")
    if not settings.tls_cert_file:
        return Door(address)
    if settings.tls_client_ca_file:
        raise FailedPrecondition(
            "this server asks callers for a certificate, and has none to show itself",
            hint='grpc_socket = "taxiway.sock" gives it a door of its own',
        )
    return Door(address, _certificate(settings.tls_cert_file), _name(settings.tls_cert_file, address))


def _certificate(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"the certificate {file} cannot be read: {error.strerror}", hint="see tls_cert_file") from error


def _name(file: str, address: str) -> str:
    """A name that the certificate is for, as the server shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The server's own certificate is who is trusted, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    try:
        context.load_verify_locations(file)
        with contextlib.ExitStack() as held:
            plain = held.enter_context(socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS))
            shown: Any = held.enter_context(context.wrap_socket(plain)).getpeercert() or {}
    except OSError as error:
        raise Unavailable(
            f"this server does not answer at {address} with its certificate {file}: {error}",
            hint="was the file replaced since the server began?",
        ) from error
    names = [str(name) for kind, name in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    names += [str(value) for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0].replace("*", "taxiway") if names else "localhost"
