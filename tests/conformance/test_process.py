"""The command: flags, streams, exit codes, ports, config files."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taxiway.wire import message
from taxiway.wire.records import write_records
from tests.conformance.running import Server, environment, models_config, put, run_to_its_end
from tests.waiting import PATIENCE_SECONDS, eventually, free_port

STARTED = "Failed to start server. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(("--port=0", "--model_base_path=/m"),
                     "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.",
                     marks=pytest.mark.tfs("start-no-port")),
        pytest.param((), "Both server_options.model_base_path and server_options.model_config_file are empty!",
                     marks=pytest.mark.tfs("start-no-model")),
        pytest.param(("--model_base_path=/m", "--use_alts_credentials=true", "--ssl_config_file=/x"),
                     "Either use_alts_credentials must be false or ssl_config_file must be empty.",
                     marks=pytest.mark.tfs("start-alts", "flags-security")),
        pytest.param(("--model_base_path=/m", "--batching_parameters_file=/x"),
                     "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
                     marks=pytest.mark.tfs("start-batching-file")),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_start_a_server(flags: tuple[str, ...], text: str) -> None:
    code, out, _ = run_to_its_end(*flags)
    assert (code, out) == (255, f"{STARTED}{text}\n")


@pytest.mark.tfs("start-protobuf", "policy-negative")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("improperly formatted file", r"1:\d+: .*"),
        ("model_config_list { config { model_version_policy { latest { num_versions: -1 } } } }", r"1:\d+: .*"),
    ],
)
def test_a_config_file_with_an_error_ends_the_start(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "models.config"
    file.write_text(text)
    code, out, err = run_to_its_end(f"--model_config_file={file}")
    assert (code, out) == (255, f"{STARTED}Invalid protobuf file: '{file}'\n")
    assert re.search(
        rf"^Error parsing text-format tensorflow\.serving\.ModelServerConfig: {place}$", err, re.MULTILINE
    ), err


@pytest.mark.tfs("flag-version", "flag-help", "flag-bad-value")
def test_what_is_printed_and_how_it_ends() -> None:
    code, out, _ = run_to_its_end("--version")
    assert code == 0
    assert re.fullmatch(r"TensorFlow ModelServer: 2\.\S+\nTensorFlow Library: \S+\n", out)
    for flag in ("--help", "--port=many", "--enable_batching=perhaps"):
        code, out, _ = run_to_its_end(flag)
        assert (code, "Flags:\n\t--port=8500" in out) == (255, True), flag


@pytest.mark.tfs("rest-off", "grpc-all-addresses", "rest-log-line", "log-level")
def test_without_a_rest_port_there_is_grpc_alone_on_every_address(models: Path, start: Callable[..., Server]) -> None:
    server = start("--model_name=half", f"--model_base_path={models / 'half_plus_two'}", rest=False)
    assert list(server.predict("half", x=[2.0]).outputs["y"].float_val) == [3.0]
    # Said when the port is open, which a client may find out before.
    assert eventually(lambda: server.logged(rf"Running gRPC ModelServer at 0\.0\.0\.0:{server.grpc_port} \.\.\."))
    assert not server.logged("Exporting HTTP")
    socket.create_connection(("127.1.2.3", server.grpc_port), PATIENCE_SECONDS).close()
    quiet = start("--model_name=half", f"--model_base_path={models / 'half_plus_two'}", TF_CPP_MIN_LOG_LEVEL="2")
    assert quiet.log.read_text() == ""


@pytest.mark.tfs("rest-same-port", "rest-bind-failure")
def test_a_rest_port_that_cannot_be_had_leaves_grpc(models: Path, start: Callable[..., Server]) -> None:
    flags = ("--model_name=half", f"--model_base_path={models / 'half_plus_two'}")
    with socket.create_server(("0.0.0.0", 0)) as taken:
        server = start(*flags, f"--rest_api_port={taken.getsockname()[1]}", rest=False)
        assert list(server.predict("half", x=[2.0]).outputs["y"].float_val) == [3.0]
        assert server.logged("Failed to start HTTP Server at ")
    same = free_port()
    server = start(*flags, f"--port={same}", f"--rest_api_port={same}", rest=False, ready=False)
    server.grpc_port = same
    eventually(server.answers)
    assert eventually(lambda: server.logged("E .*(port|HTTP)"))


@pytest.mark.tfs("flags-exotic", "flag-unknown", "flag-syntax", "load-flush")
def test_every_flag_is_taken(models: Path, start: Callable[..., Server]) -> None:
    server = start(
        "--model_name=half", f"--model_base_path={models / 'half_plus_two'}", "--enable_batching=FALSE",
        "--flush_filesystem_caches=false", "--xla_cpu_compilation_enabled=true", "--skip_initialize_tpu",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb", "--num_load_threads=2",
        "--not_a_flag=1",
    )  # fmt: skip
    assert server.predicted("half", 2.0) == [3.0]
    assert server.out.read_text().startswith("unknown argument: --not_a_flag=1\n")


@pytest.mark.tfs("status-failed", "status-200", "load-no-model", "load-retries", "load-session-bundle", "start-failed")
def test_models_that_cannot_be_loaded_say_why(models: Path, tmp_path: Path, start: Callable[..., Server]) -> None:
    put(models, "half_plus_two", 123, tmp_path / "good")
    for name, file in (("none", "readme"), ("bundle", "export.meta")):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / file).write_text("x")
    flags = ("--max_num_load_retries=1", "--start_with_failed_models")
    config = models_config(tmp_path / "m", **{name: f'"{tmp_path / name}"' for name in ("good", "none", "bundle")})
    server = start(f"--model_config_file={config}", *flags)
    assert server.predicted("good", 2.0) == [3.0]
    statuses = {}
    for name in ("none", "bundle"):
        answer = server.get(f"/v1/models/{name}")
        (one,) = answer.json()["model_version_status"]
        assert (answer.status_code, one["state"]) == (200, "END")
        statuses[name] = one["status"]
        assert server.predicted(name, 1.0) == f"Servable not found for request: Latest({name})"
    assert statuses["none"]["error_code"] == "NOT_FOUND"
    assert "Specified file path does not appear to contain a SavedModel bundle" in statuses["none"]["error_message"]
    expected = {"error_code": "UNIMPLEMENTED", "error_message": "Session Bundle is deprecated and removed."}
    assert statuses["bundle"] == expected


@pytest.mark.tfs("metric-scrape", "url-metrics", "metric-request-count", "metric-names")
def test_promtool_reads_the_metrics_page(served: Server) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    served.predicted("half_plus_two", 1.0)
    page = served.get("/monitoring/prometheus/metrics")
    assert page.headers["content-type"] == "text/plain"
    assert "# TYPE :tensorflow:serving:request_count counter" in page.text
    checked = subprocess.run([promtool, "check", "metrics"], input=page.content, capture_output=True, timeout=60)
    # 3 is advice about style, which names and missing help go against as TensorFlow Serving's do; 1 is an error.
    assert checked.returncode in (0, 3), checked.stderr


@pytest.mark.tfs("metric-scrape")
def test_a_prometheus_scrapes_the_page(served: Server, tmp_path: Path) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed")
    served.predicted("half_plus_two", 1.0)
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs: [{job_name: serving, scrape_interval: 1s, metrics_path: /monitoring/prometheus/metrics, "
        f"static_configs: [{{targets: ['127.0.0.1:{served.rest_port}']}}]}}]"
    )
    process = subprocess.Popen(
        [prometheus, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    query = f"http://127.0.0.1:{port}/api/v1/query"

    def scraped() -> bool:
        try:
            found = served.session.get(query, params={"query": ":tensorflow:serving:request_count"}, timeout=5).json()
        except OSError:
            return False
        return bool(found.get("data", {}).get("result"))

    try:
        assert eventually(scraped)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.tfs("real-client", "grpc-prediction", "grpc-model", "spec-echo", "reload-status")
def test_the_official_client_package_is_answered(served: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.conformance.official_client", f"127.0.0.1:{served.grpc_port}"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=PATIENCE_SECONDS * 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "predict",
        "classify",
        "regress",
        "multi_inference",
        "metadata",
        "status",
        "reload",
    ]


@pytest.mark.tfs("batch-examples")
def test_examples_are_batched(models: Path, tmp_path: Path, start: Callable[..., Server]) -> None:
    parameters = tmp_path / "batching"
    parameters.write_text(
        "max_batch_size { value: 2 } batch_timeout_micros { value: 0 } num_batch_threads { value: 1 }"
    )
    base = put(models, "half_plus_two", 123, tmp_path / "half")
    server = start("--model_name=half", f"--model_base_path={base}", "--enable_batching",
                   f"--batching_parameters_file={parameters}")  # fmt: skip
    text = "Task size 3 is larger than maximum input batch size 2"
    for verb, signature in (("classify", "classify_x_to_y"), ("regress", "regress_x_to_y")):
        body = {"signature_name": signature, "examples": [{"x": 1.0}] * 3}
        assert server.post(f"half:{verb}", body).json() == {"error": text}
    request = message("tensorflow.serving.MultiInferenceRequest")()
    for _ in range(3):
        request.input.example_list.examples.add()
    task = request.tasks.add(method_name="tensorflow/serving/regress")
    task.model_spec.name, task.model_spec.signature_name = "half", "regress_x_to_y"
    assert server.call("PredictionService/MultiInference", request).text == text


def hangs(models: Path, base: Path) -> Path:
    """A model whose warm-up never ends."""
    put(models, "functions", 1, base)
    log = message("tensorflow.serving.PredictionLog")()
    log.predict_log.request.model_spec.signature_name = "spin"
    number = log.predict_log.request.inputs["n"]
    number.dtype = 1
    number.tensor_shape.dim.add(size=1)
    number.float_val.append(1e15)
    (base / "1" / "assets.extra").mkdir()
    write_records(base / "1" / "assets.extra" / "tf_serving_warmup_requests", [log.SerializeToString()])
    return base


def runs_graphs(process: subprocess.Popen[bytes]) -> bool:
    """Whether TensorFlow has begun its threads."""
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # one that has just ended
            if (thread / "comm").read_text().strip() == "tf_graph_runner":
                return True
    return False


def opens_tensorflow(process: subprocess.Popen[bytes]) -> bool:
    """Whether TensorFlow's library is there; what it begins with takes half a second more."""
    return "libtensorflow" in Path(f"/proc/{process.pid}/maps").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="threads and libraries are listed on Linux alone")
@pytest.mark.parametrize(
    "command",
    [
        ["-m", "taxiway.cli.model_server", "--port={0}", "--model_name=m", "--model_base_path={2}"],
        ["-m", "taxiway", "serve", "m={2}", "--grpc-port", "{0}", "--rest-port", "{1}", "--state", ""],
    ],
    ids=["taxiway-model-server", "taxiway serve"],
)
def test_a_signal_ends_it_also_while_a_version_loads_for_ever(models: Path, tmp_path: Path, command: list[str]) -> None:
    base, log = hangs(models, tmp_path / "m"), tmp_path / "log"
    for has_come_to in (opens_tensorflow, opens_tensorflow, opens_tensorflow, runs_graphs):
        arguments = [one.format(free_port(), free_port(), base) for one in command]
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, *arguments], stdout=file, stderr=file, env=environment())
        try:
            eventually(lambda: process.poll() is not None or has_come_to(process), instead=log.read_text)  # noqa: B023
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
