"""Models that live in object stores: published there, served from there, through an outage of the store.

S3 is moto's server, Google's the tests' own stand-in; publisher and server are real processes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taxiway
from tests.unit.stores.clouds import gcs, gcs_server, s3, s3_server  # noqa: F401
from tests.unit.stores.gcs import GcsStandIn
from tests.waiting import eventually, free_port

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]


def taxiway_command(*arguments: str) -> str:
    command = [sys.executable, "-m", "taxiway", *arguments]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "0", **more}


@contextmanager
def serving(tmp_path: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process; its standard error is in ``tmp_path/stderr``."""
    with (tmp_path / "stderr").open("wb") as log, (tmp_path / "stdout").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=out,
            stderr=log,
            cwd=tmp_path,
            env=environment(TAXIWAY_STORE_POLL_SECONDS="0.1", XDG_CACHE_HOME=str(tmp_path / "user-cache")),
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "stderr").read_text()
    finally:
        process.kill()
        process.wait()


def would_prune(store: str) -> str:
    return taxiway_command("versions", "prune", "digits", "--keep", "1", "--dry-run", "--store", store)


@pytest.fixture(params=["s3", "gcs"])
def cloud(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store."""
    url: str = request.getfixturevalue(request.param)
    return url


def test_a_model_is_published_to_a_bucket_and_served_from_it(
    cloud: str, real_models: Path, digits_cases: dict[str, np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    digits = str(real_models / "digits" / "1")
    assert "published digits version 1" in taxiway_command("publish", digits, "digits", "--store", cloud)
    ports = ("--rest-port", "0", "--grpc-port", "0", "--admin-port", "-1")
    with serving(tmp_path, "taxiway", "serve", f"{cloud}/digits", *ports):
        url = eventually(lambda: re.search(r"REST +(http://\S+)", (tmp_path / "stdout").read_text()))[1]
        client = taxiway.Client(url)
        eventually(lambda: "digits: version 1" in (tmp_path / "stdout").read_text())
        answer = client.predict("digits", {"image": digits_cases["image"]})
        np.testing.assert_allclose(answer["probabilities"], digits_cases["probabilities"], rtol=1e-4, atol=1e-6)
        # The next version takes over by itself, and both are marked as used: pruning leaves them.
        taxiway_command("publish", digits, "digits", "--store", cloud)
        eventually(lambda: client.predict("digits", {"image": digits_cases["image"]}).version == 2)
        eventually(lambda: "in use by" in would_prune(cloud))
    assert "would be removed" in would_prune(cloud)


def test_the_drop_in_serves_from_a_bucket(
    cloud: str, real_models: Path, digits_cases: dict[str, np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    taxiway_command("publish", str(real_models / "digits" / "1"), "digits", "--store", cloud)
    rest, grpc = free_port(), free_port()
    flags = (f"--rest_api_port={rest}", f"--port={grpc}", "--model_name=digits", f"--model_base_path={cloud}/digits")
    with serving(tmp_path, "taxiway.cli.model_server", *flags):
        eventually(lambda: "Exporting HTTP/REST API" in (tmp_path / "stderr").read_text())
        answer = taxiway.Client(f"http://127.0.0.1:{rest}").predict("digits", {"image": digits_cases["image"]})
    np.testing.assert_allclose(answer["probabilities"], digits_cases["probabilities"], rtol=1e-4, atol=1e-6)


def test_an_outage_of_the_store_changes_nothing_and_is_said(
    gcs: str,  # noqa: F811
    gcs_server: GcsStandIn,  # noqa: F811
    real_models: Path,
    digits_cases: dict[str, np.ndarray[Any, Any]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    digits = real_models / "digits" / "1"
    taxiway.publish(digits, "digits", gcs)
    settings: dict[str, Any] = {"poll_seconds": 0.05, "store_poll_seconds": 0.05, "cache": str(tmp_path / "cache")}
    rows = {"image": digits_cases["image"]}
    with caplog.at_level("INFO"), taxiway.serve({"digits": f"{gcs}/digits"}, **settings) as server:
        client = taxiway.Client(server.url)
        assert client.predict("digits", rows).version == 1
        gcs_server.state.away = True
        try:
            eventually(lambda: server.status("digits")[0]["problem"])
            assert "cannot be reached" in server.status("digits")[0]["problem"]
            assert client.predict("digits", rows).version == 1
            # A server that starts now serves what its cache holds.
            with taxiway.serve({"digits": f"{gcs}/digits"}, **settings) as second:
                assert taxiway.Client(second.url).predict("digits", rows).version == 1
        finally:
            gcs_server.state.away = False
        taxiway.publish(digits, "digits", gcs)
        assert server.wait_default("digits", 2)
        assert server.status("digits")[0]["problem"] == ""
    said = [record.getMessage() for record in caplog.records]
    assert sum("what serves goes on serving" in text for text in said) >= 1
    assert any("can be reached again" in text for text in said)
