"""A team changes one command: tensorflow_model_server becomes taxiway-model-server, and these are the days after.

Real processes, a real SavedModel (y = x / 2 + its version), REST as any client speaks it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format

from taxiway.wire import message
from tests.journeys.conftest import put
from tests.unit.serve.certificates import Authority
from tests.waiting import PATIENCE_SECONDS, eventually, free_port

# Each test starts processes, some of which take half a minute on a busy machine of two cores.
pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]


class Process:
    """A running taxiway-model-server, or the entry point of the image."""

    def __init__(self, tmp_path: Path, *flags: str, command: list[str] | None = None, **environment: str) -> None:
        self.rest, self.grpc = free_port(), free_port()
        self.log = tmp_path / "stderr"
        self.out = tmp_path / "stdout"
        command = command or [sys.executable, "-m", "taxiway.cli.model_server"]
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, f"--port={self.grpc}", f"--rest_api_port={self.rest}", "--host=127.0.0.1",
                 "--load_retry_interval_micros=1000", *flags],
                stdout=out, stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "0"} | environment,
            )  # fmt: skip

    def listening(self) -> bool:
        assert self.process.poll() is None, f"ended: {self.out.read_text()}\n{self.log.read_text()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.rest), 1):
            return True
        return False

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/v1/models/{path}", data, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def version_of(self, model: str) -> int | None:
        """Which version answers for a model; None when none does."""
        status, answer = self.ask(f"{model}:predict", {"instances": [0.0]})
        return int(answer["predictions"][0]) if status == 200 else None

    def states(self, model: str) -> dict[int, str]:
        status, answer = self.ask(model)
        return {int(one["version"]): one["state"] for one in answer["model_version_status"]} if status == 200 else {}

    def logged(self, text: str) -> bool:
        return text in self.log.read_text()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    servers: list[Process] = []

    def start(*flags: str, ready: bool = True, **environment: Any) -> Process:
        server = Process(tmp_path, *flags, **environment)
        servers.append(server)
        if ready:
            eventually(server.listening)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def config(path: Path, **models: str) -> Path:
    """Write a model config file, as an atomic replacement; ``models`` maps a name to its base path and more."""
    text = "".join(f'config {{ name: "{n}" model_platform: "tensorflow" base_path: {b} }}\n' for n, b in models.items())
    beside = path.with_suffix(".new")
    beside.write_text(f"model_config_list {{\n{text}}}\n")
    return beside.rename(path)


@pytest.mark.tfs("image-environment", "rest-log-line", "start-signal")
def test_the_images_entry_point_serves_what_the_environment_names(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    put(exported, tmp_path / "models" / "half", 1)
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    shim = bin_dir / "taxiway-model-server"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m taxiway.cli.model_server "$@"\n')
    shim.chmod(0o755)
    server = serve(
        command=[str(ROOT / "docker" / "entrypoint.sh")],
        PATH=f"{bin_dir}:{os.environ['PATH']}",
        MODEL_NAME="half",
        MODEL_BASE_PATH=str(tmp_path / "models"),
    )
    assert server.version_of("half") == 1
    # The ports answer a moment before it is said.
    eventually(lambda: server.logged(f"Exporting HTTP/REST API at:localhost:{server.rest} ..."))
    assert server.logged(f"Running gRPC ModelServer at 127.0.0.1:{server.grpc} ...")
    probe = [sys.executable, str(ROOT / "docker" / "healthcheck.py")]
    subprocess.run(probe, env={"TAXIWAY_HEALTH_PORT": str(server.rest)}, timeout=60, check=True)
    assert server.end() == 0


@pytest.mark.tfs("flag-unknown")
def test_unknown_flags_are_printed_and_the_server_goes_on(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base = put(exported, tmp_path / "half", 1)
    server = serve("--model_name=half", f"--model_base_path={base}", "--future_flag=3", "--num_load_threads", "4")
    assert server.version_of("half") == 1
    assert server.out.read_text().startswith("unknown argument: --future_flag=3\nusage: ")


@pytest.mark.tfs("version-identity", "transition-order", "version-poll", "status-order")
def test_a_new_version_takes_over_and_one_overwritten_in_place_changes_nothing(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base = put(exported, tmp_path / "half", 1)
    server = serve("--model_name=half", f"--model_base_path={base}")
    put(exported, base, 2)
    eventually(lambda: server.version_of("half") == 2)
    eventually(lambda: server.states("half") == {1: "END", 2: "AVAILABLE"})
    shutil.copytree(exported / "3", base / "2", dirs_exist_ok=True)
    put(exported, tmp_path / "other", 1)
    assert server.version_of("half") == 2
    assert server.states("half") == {1: "END", 2: "AVAILABLE"}


@pytest.mark.tfs("file-poll", "flags-models", "reload-replaces")
def test_a_config_file_is_polled_and_one_with_an_error_changes_nothing(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    one, two = put(exported, tmp_path / "one", 1), put(exported, tmp_path / "two", 2)
    file = config(tmp_path / "models.config", one=f'"{one}"')
    server = serve(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1")
    config(file, one=f'"{one}"', two=f'"{two}"')
    eventually(lambda: server.version_of("two") == 2)
    file.write_text("model_config_list { config { nam: 'x' } }")
    eventually(lambda: server.logged('has no field named "nam"'))
    assert (server.version_of("one"), server.version_of("two")) == (1, 2)
    config(file, two=f'"{two}"')
    eventually(lambda: server.ask("one:predict", {"instances": [0.0]})[0] == 404)
    assert server.version_of("two") == 2


@pytest.mark.tfs("label-available", "label-replaced", "url-predict-label", "spec-labels", "policy-all")
def test_labels_in_the_first_config_and_moved_later(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base = put(exported, tmp_path / "half", 1, 2)
    labels = 'version_labels {{ key: "stable" value: {} }} version_labels {{ key: "canary" value: 2 }}'
    policy = "model_version_policy { all {} }"
    file = config(tmp_path / "models.config", half=f'"{base}" {policy} {labels.format(1)}')
    server = serve(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1")

    def answer(label: str) -> Any:
        status, body = server.ask(f"half/labels/{label}:predict", {"instances": [0.0]})
        return body["predictions"][0] if status == 200 else body["error"]

    eventually(lambda: (answer("stable"), answer("canary")) == (1.0, 2.0))
    config(file, half=f'"{base}" {policy} {labels.format(3)}')
    eventually(lambda: server.logged("Request to assign label to version 3 of model half, which is not currently"))
    assert answer("stable") == 1.0
    config(file, half=f'"{base}" {policy} {labels.format(2)}')
    eventually(lambda: answer("stable") == 2.0)
    assert answer("none") == "Unrecognized servable version label: none"


@pytest.mark.tfs("label-first", "label-available")
def test_strict_refuses_labels_in_the_first_config(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base = put(exported, tmp_path / "half", 1)
    file = config(tmp_path / "models.config", half=f'"{base}" version_labels {{ key: "stable" value: 1 }}')
    server = serve(f"--model_config_file={file}", "--strict", ready=False)
    assert server.process.wait(PATIENCE_SECONDS) == 255
    assert server.out.read_text() == (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 1 of model half, "
        "which is not currently available for inference\n"
    )


def broken(base: Path) -> Path:
    """A version whose graph is there and cannot be loaded."""
    version = base / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"\x08\x01")
    return base


@pytest.mark.tfs("start-failed", "status-200")
def test_one_broken_model_among_ten(tmp_path: Path, exported: Path, serve: Callable[..., Process]) -> None:
    bases = {f"m{number}": put(exported, tmp_path / f"m{number}", 1) for number in range(9)}
    bases["bad"] = broken(tmp_path / "bad")
    file = config(tmp_path / "models.config", **{name: f'"{base}"' for name, base in bases.items()})
    flags = (f"--model_config_file={file}", "--max_num_load_retries=1")
    server = serve(*flags, ready=False)
    assert server.process.wait(PATIENCE_SECONDS) == 255
    text = server.out.read_text()
    assert text.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: bad version: 1} due to error: "
    ), text
    server = serve(*flags, "--start_with_failed_models")
    assert [server.version_of(f"m{number}") for number in range(9)] == [1] * 9
    assert server.ask("bad:predict", {"instances": [0.0]}) == (
        404,
        {"error": "Servable not found for request: Latest(bad)"},
    )
    assert server.states("bad") == {1: "END"}


@pytest.mark.tfs("vanish-base")
def test_a_base_path_that_vanishes_stops_nothing(tmp_path: Path, exported: Path, serve: Callable[..., Process]) -> None:
    one, two = put(exported, tmp_path / "one", 1), put(exported, tmp_path / "two", 1)
    file = config(tmp_path / "models.config", one=f'"{one}"', two=f'"{two}"')
    server = serve(f"--model_config_file={file}")
    one.rename(tmp_path / "gone")
    put(exported, two, 2)
    eventually(lambda: server.version_of("two") == 2)
    assert server.version_of("one") == 1


@pytest.mark.tfs("start-ports", "vanish-empty")
def test_ports_stay_closed_until_a_version_is_there(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base = tmp_path / "half"
    base.mkdir()
    server = serve("--model_name=half", f"--model_base_path={base}", ready=False)
    eventually(lambda: server.logged("half"))
    assert not server.listening()
    put(exported, base, 1)
    eventually(server.listening)
    assert server.version_of("half") == 1


@pytest.mark.tfs("start-signal")
def test_a_signal_while_waiting_ends_the_server(tmp_path: Path, serve: Callable[..., Process]) -> None:
    base = tmp_path / "half"
    base.mkdir()
    server = serve("--model_name=half", f"--model_base_path={base}", ready=False)
    eventually(lambda: server.logged("half"))
    assert server.end() == 0


@pytest.mark.tfs("reload-replaces", "reload-status", "reload-twice", "reload-waits", "grpc-model")
def test_a_config_comes_by_rpc(tmp_path: Path, exported: Path, serve: Callable[..., Process]) -> None:
    one, two = put(exported, tmp_path / "one", 1), put(exported, tmp_path / "two", 2)
    server = serve("--model_name=one", f"--model_base_path={one}")
    request = message("tensorflow.serving.ReloadConfigRequest")()
    request.config.model_config_list.config.add(name="two", base_path=str(two), model_platform="tensorflow")
    request.metric_names.extend(["/tensorflow/cc/saved_model/load_attempt_count", "/no/such/counter"])
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        reload = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest", bytes, bytes)
        answer = message("tensorflow.serving.ReloadConfigResponse").FromString(
            reload(request.SerializeToString(), timeout=PATIENCE_SECONDS)
        )
        assert answer.status.error_code == 0
        assert [metric.int64_value_increase for metric in answer.metric] == [1, 0]
        assert server.version_of("two") == 2
        request.config.model_config_list.config.add(name="two", base_path=str(two), model_platform="tensorflow")
        with pytest.raises(grpc.RpcError) as refused:
            reload(request.SerializeToString(), timeout=PATIENCE_SECONDS)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "Illegal to list model two multiple times in config list"
    assert server.version_of("two") == 2


@pytest.mark.tfs("file-ssl", "tls-client", "grpc-socket", "grpc-health", "flags-security", "flags-observe")
def test_flags_of_the_wire(tmp_path: Path, exported: Path, serve: Callable[..., Process]) -> None:
    authority = Authority(tmp_path / "ca")
    for name in ("server", "client"):
        authority.sign(name)
    base, ssl_config = put(exported, tmp_path / "half", 1), message("tensorflow.serving.SSLConfig")()
    ssl_config.server_cert, ssl_config.server_key = (authority.pem(f"server.{end}").decode() for end in ("pem", "key"))
    ssl_config.custom_ca, ssl_config.client_verify = authority.pem("ca.pem").decode(), True
    file, path = tmp_path / "ssl.config", tmp_path / "grpc.sock"
    file.write_text(text_format.MessageToString(ssl_config))
    server = serve(
        "--model_name=half", f"--model_base_path={base}", f"--ssl_config_file={file}", f"--grpc_socket_path={path}",
        "--enable_grpc_healthcheck_service",
    )  # fmt: skip
    credentials = grpc.ssl_channel_credentials(*map(authority.pem, ("ca.pem", "client.key", "client.pem")))
    for address in (f"localhost:{server.grpc}", f"unix:{path}"):
        named = (("grpc.ssl_target_name_override", "localhost"),)
        with grpc.secure_channel(address, credentials, named) as channel:
            health = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
            assert health(b"\x0a\x0cModelService", timeout=PATIENCE_SECONDS) == b"\x08\x01"
    assert server.end() == 0
    assert not path.exists()
