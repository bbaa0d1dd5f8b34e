"""TLS, client certificates and the Unix socket of the compiled data plane, with other people's clients."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from taxiway.client import Client, Tls
from taxiway.errors import InvalidArgument, NotFound, Unavailable
from taxiway.serve.server import NativeDataPlane, TlsTexts
from taxiway.settings import ServerSettings
from tests.unit.serve.certificates import Authority

pytest.importorskip("taxiway._server", reason="the extension is not built: make setup")

LONG_SECONDS = 60.0
# By itself gRPC names a socket by its path, written as no authority may be.
AUTHORITY = (("grpc.default_authority", "localhost"),)
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

Start = Callable[..., Any]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    one = Authority(tmp_path_factory.mktemp("tls") / "ca")
    for name in ("server", "client"):
        one.sign(name)
    return one


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server; returns its addresses."""
    planes: list[NativeDataPlane] = []

    def begin(tls: TlsTexts | None = None, **changes: Any) -> Any:
        settings = {"rest_port": 0, "grpc_port": 0, "io_threads": 1, "compute_threads": 1} | changes
        planes.append(NativeDataPlane(ServerSettings(**settings), tls))
        return planes[-1].start()

    yield begin
    for plane in planes:
        plane.stop(LONG_SECONDS)


def texts(authority: Authority, client_ca: bool) -> TlsTexts:
    pem = [authority.pem(name).decode() for name in ("server.pem", "server.key", "ca.pem")]
    return TlsTexts(pem[0], pem[1], pem[2] if client_ca else None)


def answers(channel: grpc.Channel) -> bool:
    """Whether the server heard us: it refuses a request that names no model."""
    with channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(STATUS, bytes, bytes)(b"", timeout=LONG_SECONDS)
    return bool(refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT)


def secure(address: str, *credentials: bytes | None) -> grpc.Channel:
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*credentials))


def alive(address: str, context: ssl.SSLContext) -> int:
    with urllib.request.urlopen(f"https://{address}/healthz", timeout=LONG_SECONDS, context=context) as answer:
        return int(answer.status)


def test_both_protocols_prove_who_they_are(start: Start, authority: Authority) -> None:
    addresses = start(texts(authority, client_ca=False))
    ca = authority.pem("ca.pem")
    assert answers(secure(addresses["grpc"], ca))
    assert alive(addresses["rest"], ssl.create_default_context(cadata=ca.decode())) == 200
    assert not answers(grpc.insecure_channel(addresses["grpc"]))
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        alive(addresses["rest"], ssl.create_default_context())


@pytest.mark.tfs("tls-client")
def test_a_client_without_a_certificate_is_turned_away(start: Start, authority: Authority) -> None:
    addresses = start(texts(authority, client_ca=True))
    ca, key, certificate = map(authority.pem, ("ca.pem", "client.key", "client.pem"))
    assert answers(secure(addresses["grpc"], ca, key, certificate))
    assert not answers(secure(addresses["grpc"], ca))
    context = ssl.create_default_context(cadata=ca.decode())
    with pytest.raises(OSError):
        alive(addresses["rest"], context)
    context.load_cert_chain(authority.path("client.pem"), authority.path("client.key"))
    assert alive(addresses["rest"], context) == 200


@pytest.mark.parametrize(("scheme", "door"), [("https", "rest"), ("grpcs", "grpc")])
def test_our_client_and_server_know_each_other_by_certificates(
    scheme: str, door: str, start: Start, authority: Authority
) -> None:
    url = f"{scheme}://{start(texts(authority, client_ca=True))[door]}"
    known = {"ca_file": authority.path("ca.pem")}
    mine = {"cert_file": authority.path("client.pem"), "key_file": authority.path("client.key")}
    with Client(url, tls=Tls(**known, **mine)) as client, pytest.raises(NotFound):
        client.status("nobody")
    for tls in (Tls(**mine), Tls(**known)):
        with Client(url, tls=tls, retries=0, timeout_seconds=LONG_SECONDS) as client, pytest.raises(Unavailable):
            client.status("nobody")
    with Client(url, timeout_seconds=LONG_SECONDS) as client, pytest.raises(Unavailable) as refused:
        client.status("nobody")
    assert "TLS" in refused.value.message and "ca_file" in str(refused.value.hint)


def test_certificates_that_are_of_no_use_are_refused(authority: Authority) -> None:
    with pytest.raises(InvalidArgument, match="no TLS"):
        Client("grpc://localhost:1", tls=Tls(ca_file=authority.path("ca.pem")))
    with pytest.raises(InvalidArgument, match="proves it by its key"):
        Tls(cert_file=authority.path("client.pem"))
    with pytest.raises(NotFound, match=r"nowhere\.pem cannot be read"):
        Tls(ca_file="nowhere.pem")


def test_protocols_are_agreed_on(start: Start, authority: Authority) -> None:
    addresses = start(texts(authority, client_ca=False))
    for protocol, expected in (("grpc", "h2"), ("rest", "http/1.1")):
        context = ssl.create_default_context(cadata=authority.pem("ca.pem").decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        host, _, port = addresses[protocol].rpartition(":")
        with (
            socket.create_connection((host, int(port)), LONG_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            assert wrapped.selected_alpn_protocol() == expected


def test_settings_name_files(start: Start, authority: Authority) -> None:
    files = {"tls_cert_file": authority.path("server.pem"), "tls_key_file": authority.path("server.key")}
    assert answers(secure(start(**files)["grpc"], authority.pem("ca.pem")))
    with pytest.raises(InvalidArgument, match="both a certificate and its key"):
        start(tls_cert_file=files["tls_cert_file"])
    with pytest.raises(NotFound, match="cannot be read as PEM"):
        start(**files | {"tls_key_file": "/nowhere"})


def test_keys_that_fit_nothing_are_refused(start: Start, authority: Authority) -> None:
    good = texts(authority, client_ca=False)
    other = authority.pem("client.key").decode()
    for bad in (TlsTexts(good.certificate, other), TlsTexts(good.certificate, "key"), TlsTexts("", good.key)):
        with pytest.raises(InvalidArgument):
            start(bad)


def test_grpc_on_a_unix_socket_with_and_without_a_port(start: Start, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    addresses = start(grpc_socket=str(path))
    assert answers(grpc.insecure_channel(f"unix:{path}", AUTHORITY))
    assert answers(grpc.insecure_channel(addresses["grpc"]))
    # A second server takes the name over.
    assert start(texts(authority, client_ca=False), grpc_socket=str(path), grpc_port=-1)["grpc"] is None
    ca = grpc.ssl_channel_credentials(authority.pem("ca.pem"))
    named = (("grpc.ssl_target_name_override", "localhost"),)
    assert answers(grpc.secure_channel(f"unix:{path}", ca, named))


def test_the_socket_goes_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    settings = ServerSettings(rest_port=-1, grpc_port=-1, grpc_socket=str(path), io_threads=1, compute_threads=1)
    plane = NativeDataPlane(settings)
    plane.start()
    assert answers(grpc.insecure_channel(f"unix:{path}", AUTHORITY))
    assert plane.stop(LONG_SECONDS)
    assert not path.exists()
