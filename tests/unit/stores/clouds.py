"""Object stores on this machine: moto's S3 server, a stand-in for Google's."""

from __future__ import annotations

import itertools
import logging
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.stores.gcs import GcsStandIn

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Where moto answers."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _one_at_a_time(server)
    yield f"http://{host}:{port}"
    server.stop()


def _one_at_a_time(server: Any) -> None:
    """Have moto look at a condition and put the object in one step, as S3 does; two threads of it may both find it met."""
    answer, turn = server._server.app, threading.Lock()

    def in_turn(environ: Any, start_response: Any) -> Any:
        with turn:
            return answer(environ, start_response)

    server._server.app = in_turn


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsStandIn]:
    with GcsStandIn() as server:
        yield server


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket in S3; the environment says how to reach it."""
    for name, value in {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{next(_numbers)}"
    request = urllib.request.Request(f"{s3_server}/{bucket}", method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        return f"s3://{bucket}/models"


@pytest.fixture
def gcs(gcs_server: GcsStandIn, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket in the stand-in; the environment says how to reach it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    return f"gs://bucket-{next(_numbers)}/models"
