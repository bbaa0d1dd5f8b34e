"""Load on a server that serves two versions, by the command and from Python, over each way there is to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import taxiway
from taxiway.cli.main import main
from taxiway.client import Tls
from taxiway.errors import InvalidArgument, NotFound
from tests.unit.serve.certificates import Authority

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")


def test_a_running_server_is_measured(
    server: ServeHandle, digits_cases: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.npz"
    np.savez(rows, image=digits_cases["image"])
    # Of a shorter window, a machine with too much to do may not answer anything.
    short = ["--seconds", "2", "--concurrency", "1,3"]
    assert main(["bench", server.grpc_url, "digits", *short, "--data", str(rows), "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "digits version 1, serving_default: 12 requests of 1 row" in shown and "CONNECTIONS" in shown
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [window["concurrency"] for window in written["windows"]] == [1, 3]
    assert all(window["answers"] > 0 and window["errors"] == [] for window in written["windows"])
    assert written["answers_that_differ"]["different"] == 0
    assert (tmp_path / "bench.svg").read_text().startswith("<svg")

    assert main(["bench", server.url, "half_plus_two", *short, "--rate", "50", "--json"]) == 0
    (first, _) = json.loads(capsys.readouterr().out)["windows"]
    assert first["rate"] == 50 and first["answers"] + first["unsent"] == 100

    report = taxiway.bench(server.url, "digits", digits_cases["image"], rows=5, seconds=2, concurrency=(2,))
    assert report.best.throughput > 0 and report.requests == "2 requests of 5 rows"

    # What the server refuses is counted; that nothing at all was answered fails the command.
    strange = tmp_path / "strange.npy"
    np.save(strange, np.zeros((4, 3), np.float32))
    assert main(["bench", server.grpc_url, "digits", *short, "--data", str(strange)]) == 1
    assert "no request was answered at 1 connections: INVALID_ARGUMENT: " in capsys.readouterr().err
    with pytest.raises(NotFound):
        taxiway.bench(server.url, "nobody")
    with pytest.raises(InvalidArgument, match="not found in signature def"):
        taxiway.bench(server.url, "digits", signature="other")


def test_over_tls_and_over_a_socket_too(store: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    for name in ("server", "client"):
        authority.sign(name)
    cert, key, ca = map(authority.path, ("server.pem", "server.key", "ca.pem"))
    tls = Tls(ca, *map(authority.path, ("client.pem", "client.key")))
    short: dict[str, Any] = {"seconds": 2, "concurrency": (2,)}
    models = {"half": store / "half_plus_two"}
    with taxiway.serve(
        models, quiet_seconds=0.0, tls_cert_file=cert, tls_key_file=key, tls_client_ca_file=ca
    ) as server:
        for url in (server.url, server.grpc_url):
            secure = url.replace("http:", "https:").replace("grpc:", "grpcs:").replace("127.0.0.1", "localhost")
            report = taxiway.bench(secure, "half", tls=tls, **short)
            assert report.answered and not report.windows[0].failures
    socket = tmp_path / "s"
    with taxiway.serve(models, quiet_seconds=0.0, grpc_socket=str(socket)):
        assert taxiway.bench(f"unix://{socket}", "half", **short).answered
