"""The load generator in Rust. The only importer of it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from taxiway.client.address import Address
from taxiway.client.tls import Tls, read
from taxiway.errors import FailedPrecondition, InvalidArgument, error_of_kind
from taxiway.types import JsonObject

__all__ = ["Different", "Generator"]

T = TypeVar("T")
# How long the interpreter's signals may wait for the generator.
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Different:
    """A request not always answered by the same bytes: its number, its first answer, others with their counts."""

    request: int
    first: bytes
    others: tuple[tuple[bytes, int], ...]
    not_kept: int


class Generator:
    """Asks one server prepared requests.

    Args:
        address: the server.
        requests: the path and the message of each.

    Raises:
        FailedPrecondition: the compiled module is not there.
        InvalidArgument, NotFound: certificates are not usable.
    """

    def __init__(self, address: Address, requests: Sequence[tuple[str, bytes]]) -> None:
        try:
            from taxiway import _server
        except ImportError as error:
            raise FailedPrecondition(
                f"The load generator is not there: {error}", hint="install Taxiway, or build it: make build"
            ) from error
        self._refusals: type[Exception] = _server.ServerError
        target = json.dumps(_target(address))
        self._load = self._told(lambda: _server.Load(target, requests))

    def run(self, window: JsonObject) -> tuple[dict[str, Any], bool]:
        """One window.

        Returns:
            What it came to, and whether the user interrupted it; then it is what was measured until then.
        """
        self._told(lambda: self._load.start(json.dumps(window)))
        interrupted = False
        try:
            while not self._load.wait(_LOOK_SECONDS):
                pass
        except KeyboardInterrupt:
            interrupted = True
        document: dict[str, Any] = json.loads(self._told(self._load.finish))
        return document, interrupted

    def different(self) -> list[Different]:
        """The requests whose answers were not always the same bytes, over all windows so far."""
        told = self._told(self._load.different)
        return [Different(request, first, tuple(others), not_kept) for request, first, others, not_kept in told]

    def _told(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except self._refusals as refusal:
            kind, message = refusal.args
            raise error_of_kind(str(kind), str(message)) from refusal


def _target(address: Address) -> JsonObject:
    tcp = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    return {
        "protocol": address.protocol,
        "endpoint": {"tcp": tcp} if address.socket is None else {"unix": address.socket},
        "authority": address.authority,
        "tls": None if address.tls is None else _tls(address.tls, address.host),
    }


def _tls(tls: Tls, host: str) -> JsonObject:
    texts = [_text(file) for file in (tls.ca_file, tls.cert_file, tls.key_file)]
    return {"server_name": host, "roots": texts[0] or _system(), "certificate": texts[1], "key": texts[2]}


def _text(file: Any) -> str | None:
    data = read(file)
    try:
        return None if data is None else data.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{file} is not in PEM.", hint="Certificates and keys are given as PEM.") from None


def _system() -> str:
    """The certificates of the system's authorities."""
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is not None:
        return Path(bundle).read_text(encoding="ascii", errors="ignore")
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in found)
