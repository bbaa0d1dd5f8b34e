"""A server asks itself by its own settings, and keeps what it asks out of its recording."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from taxiway.errors import NotFound, Unavailable
from taxiway.replay.ask import Asker
from taxiway.replay.door import Door, find
from taxiway.settings import ServerSettings
from taxiway.wire import messages
from taxiway.wire.recording import Recorded
from tests.unit.serve.certificates import Authority

Metadata = list[tuple[str, Any]]


@contextmanager
def listening(address: str, credentials: grpc.ServerCredentials | None = None) -> Iterator[tuple[str, Metadata]]:
    """What answers with nothing; where, and the metadata that came."""
    server, came = grpc.server(futures.ThreadPoolExecutor(1)), Metadata()

    def answer(request: bytes, context: Any) -> bytes:
        came.extend(context.invocation_metadata())
        return b""

    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", handlers),)
    )
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", came
    finally:
        server.stop(None).wait(10)


def asked(door: Door) -> str | None:
    asker = Asker(door, "m", 60.0)
    try:
        return asker.ask(Recorded("f", 0, "predict_log", messages.PredictRequest()), 2).error
    finally:
        asker.close()


def test_what_a_replay_asks_says_that_it_is_not_to_be_recorded() -> None:
    with listening("127.0.0.1:0") as (url, came):
        assert asked(find(ServerSettings(), url)) is None
    assert ("x-taxiway-record", "no") in came


def test_a_unix_socket_is_asked_first_also_with_tls_and_without_a_port(tmp_path: Path) -> None:
    path = tmp_path / "g"
    with listening(f"unix:{path}"):
        settings = ServerSettings(grpc_socket=str(path), tls_cert_file="nowhere.pem", tls_client_ca_file="nowhere.pem")
        assert asked(find(settings, "")) is None


def test_over_tls_the_server_trusts_its_own_certificate_whoever_signed_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    for name in ("server", "other"):
        authority.sign(name)
    credentials = grpc.ssl_server_credentials([(authority.pem("server.key"), authority.pem("server.pem"))])
    with listening("127.0.0.1:0", credentials) as (url, _):
        door = find(ServerSettings(tls_cert_file=authority.path("server.pem")), url)
        assert door.name == "localhost" and asked(door) is None
        with pytest.raises(Unavailable, match="does not answer at 127.0.0.1:.* with its certificate") as refused:
            find(ServerSettings(tls_cert_file=authority.path("other.pem")), url)
        assert "replaced" in (refused.value.hint or "")
        with pytest.raises(NotFound, match="cannot be read"):
            find(ServerSettings(tls_cert_file=str(tmp_path / "none.pem")), url)
