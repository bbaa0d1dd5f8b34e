"""A team turns on batching with tensorflow_model_server's flags: requests share runs, and errors read as they did.

The real control and data plane in this process, a real SavedModel (y = x / 2 + 2), REST and gRPC as clients speak them.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from taxiway.clock import SystemClock
from taxiway.serve.server import NativeDataPlane, load_spec
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.service import ModelServer
from taxiway.serve.tfserving.syntax import parse
from taxiway.serve.tfserving.translate import server_settings
from taxiway.wire import message
from taxiway.wire.records import read_records
from tests.waiting import PATIENCE_SECONDS, free_port

pytestmark = pytest.mark.timeout(300)
# Longer than a test should take: what is to share a run has to be there long before. A run that is full waits for none.
WINDOW_MICROS = 30_000_000
# As long as somebody waits alone in a queue.
QUEUE_MICROS = 2_000_000


class Served:
    """A model server in this process that serves ``half_plus_two``."""

    def __init__(self, store: Path, *flags: str) -> None:
        self.rest, self.grpc = free_port(), free_port()
        given = [f"--port={self.grpc}", f"--rest_api_port={self.rest}", "--host=127.0.0.1", "--model_name=half",
                 f"--model_base_path={store / 'half_plus_two'}", *flags]  # fmt: skip
        options = read_options(parse(given).values)
        settings = server_settings(options)
        self.server = ModelServer(options, NativeDataPlane(settings), load_spec(settings), SystemClock())
        self.server.start()

    def ask(self, instances: Any) -> tuple[int, Any]:
        body = json.dumps({"instances": instances}).encode()
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.rest}/v1/models/half:predict", body, timeout=PATIENCE_SECONDS
            ) as answer:
                return answer.status, json.load(answer)["predictions"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    def call(self, rows: list[float]) -> tuple[str, Any]:
        """The same over gRPC: the code's name, and the rows or the message."""
        request = message("tensorflow.serving.PredictRequest")()
        request.model_spec.name = "half"
        request.inputs["x"].dtype = 1
        request.inputs["x"].tensor_shape.dim.add(size=len(rows))
        request.inputs["x"].float_val.extend(rows)
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc}") as channel:
            predict = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                request_serializer=lambda sent: sent.SerializeToString(),
                response_deserializer=message("tensorflow.serving.PredictResponse").FromString,
            )
            try:
                return "OK", list(predict(request, timeout=PATIENCE_SECONDS).outputs["y"].float_val)
            except grpc.RpcError as error:
                return error.code().name, error.details()

    def counted(self, name: str) -> float:
        """The sum of a counter over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/metrics", timeout=PATIENCE_SECONDS) as page:
            text = page.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


@pytest.fixture
def serve(store: Path, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
    running: list[Served] = []

    def start(parameters: str, *flags: str) -> Served:
        file = tmp_path / "batching.config"
        file.write_text(parameters)
        running.append(Served(store, "--enable_batching", f"--batching_parameters_file={file}", *flags))
        return running[-1]

    yield start
    for served in running:
        served.server.stop()


def parameters(**values: int) -> str:
    return " ".join(f"{name} {{ value: {value} }}" for name, value in values.items())


@pytest.mark.tfs("file-batching", "flags-batching", "batch-timeout")
def test_many_requests_share_few_runs_over_both_protocols(serve: Callable[..., Served]) -> None:
    served = serve(parameters(max_batch_size=16, batch_timeout_micros=WINDOW_MICROS))
    with ThreadPoolExecutor(32) as pool:
        rest = list(pool.map(lambda x: served.ask([float(x)]), range(16)))
        both = [pool.submit(served.ask, [1.0]) for _ in range(8)], [pool.submit(served.call, [2.0]) for _ in range(8)]
    assert rest == [(200, [x / 2 + 2]) for x in range(16)]
    assert [one.result() for one in both[0]] == [(200, [2.5])] * 8
    assert [one.result() for one in both[1]] == [("OK", [3.0])] * 8
    assert served.counted("taxiway_requests_total") == 32
    # Each is full.
    assert served.counted("taxiway_batches_total") == 2
    assert served.counted("taxiway_batched_rows_total") == 32


@pytest.mark.tfs("batch-size")
def test_a_request_with_too_many_rows_is_refused(serve: Callable[..., Served]) -> None:
    served = serve(parameters(max_batch_size=2))
    text = "Task size 3 is larger than maximum input batch size 2"
    assert served.ask([0.0, 0.0, 0.0]) == (400, text)
    assert served.call([0.0, 0.0, 0.0]) == ("INVALID_ARGUMENT", text)
    assert served.ask([0.0, 2.0]) == (200, [2.0, 3.0])


@pytest.mark.tfs("batch-splitting")
def test_with_splitting_it_is_cut_over_several_runs(serve: Callable[..., Served]) -> None:
    served = serve(
        parameters(max_batch_size=64, max_execution_batch_size=2) + " enable_large_batch_splitting { value: true }"
    )
    assert served.ask([0.0, 2.0, 4.0, 6.0, 8.0]) == (200, [2.0, 3.0, 4.0, 5.0, 6.0])
    assert served.counted("taxiway_batches_total") == 3


@pytest.mark.tfs("batch-allowed")
def test_runs_are_filled_up_to_an_allowed_size(serve: Callable[..., Served]) -> None:
    served = serve(parameters(max_batch_size=8) + " allowed_batch_sizes: [4, 8]")
    assert served.ask([0.0, 2.0, 4.0]) == (200, [2.0, 3.0, 4.0])
    assert served.counted("taxiway_batch_filling_total") == 1


@pytest.mark.tfs("batch-enqueued", "err-queue-full")
def test_a_full_queue_refuses_and_who_waits_in_it_is_answered(serve: Callable[..., Served]) -> None:
    served = serve(parameters(max_batch_size=2, batch_timeout_micros=QUEUE_MICROS, max_enqueued_batches=1))
    text = (
        "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
        "max_enqueued_batches is 1"
    )

    def refusal_of(ask: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
        """Ask for two rows while one waits for company: they have no room beside it, and no second batch may wait.

        When they come before it, it may be the one that is refused; then both ask again.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        with ThreadPoolExecutor(1) as pool:
            while time.monotonic() < deadline:
                waits = pool.submit(served.ask, [2.0])
                while (answer := ask())[0] in (200, "OK") and not waits.done():
                    pass
                waited = waits.result()
                assert waited in ((200, [3.0]), (503, text))
                if waited[0] == 200 and answer[0] not in (200, "OK"):
                    return answer
        raise AssertionError("nothing was refused")

    assert served.ask([0.0, 0.0]) == (200, [2.0, 2.0])
    assert refusal_of(lambda: served.ask([0.0, 0.0])) == (503, text)
    assert refusal_of(lambda: served.call([0.0, 0.0])) == ("UNAVAILABLE", text)


@pytest.mark.tfs("batch-odd-shape")
def test_an_odd_shape_hurts_nobody_else(serve: Callable[..., Served]) -> None:
    served = serve(parameters(max_batch_size=8, batch_timeout_micros=200_000))
    together = threading.Barrier(8)

    def ask(instances: list[Any]) -> tuple[int, Any]:
        together.wait(PATIENCE_SECONDS)
        return served.ask(instances)

    with ThreadPoolExecutor(8) as pool:
        odd = pool.submit(ask, [[1.0, 2.0]])
        others = [pool.submit(ask, [2.0]) for _ in range(7)]
    assert [other.result() for other in others] == [(200, [3.0])] * 7
    assert odd.result()[0] in (200, 400)  # the model's own business: it may or may not take such a row


@pytest.mark.tfs(
    "file-monitoring",
    "url-metrics",
    "url-metrics-query",
    "metric-names",
    "metric-request-count",
    "metric-request-latency",
    "metric-runtime-latency",
    "metric-batching",
    "metric-core",
    "batch-pool-name",
)
def test_the_metrics_page_has_tensorflow_servings_names(serve: Callable[..., Served], tmp_path: Path) -> None:
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    served = serve(parameters(max_batch_size=4), f"--monitoring_config_file={monitoring}")
    served.ask([0.0, 2.0])
    served.call([1.0])
    address = f"http://127.0.0.1:{served.rest}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
        assert answer.headers["content-type"] == "text/plain"
        page = answer.read()
    version = re.escape(str(tmp_path / "models" / "half_plus_two" / "1"))
    for line in (
        r':tensorflow:serving:request_count\{model_name="half",status="OK"\} 2',
        r':tensorflow:serving:request_latency_count\{model_name="half",API="predict",entrypoint="REST"\} 1',
        r':tensorflow:serving:request_latency_count\{model_name="half",API="Predict",entrypoint="GRPC"\} 1',
        r':tensorflow:serving:runtime_latency_count\{model_name="half",API="Predict",runtime="TF1"\} 2',
        r":tensorflow:serving:batching_session:wrapped_run_count\{\} 2",
        r':tensorflow:serving:batching_session:queuing_latency_count\{thread_pool_name="batch_threads"\} 2',
        rf':tensorflow:cc:saved_model:load_attempt_count\{{model_path="{version}",status="success"\}} 1',
    ):
        assert re.search(rf"^{line}$", page.decode(), re.MULTILINE), f"{line} is not in\n{page.decode()}"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}?a=1", timeout=PATIENCE_SECONDS)
    assert refused.value.code == 400
    assert refused.value.read().decode() == (
        "Unexpected path: /monitoring/prometheus/metrics?a=1. Should be /monitoring/prometheus/metrics"
    )
    promtool = shutil.which("promtool")
    if promtool is not None:
        checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=60)
        # 3 is advice about style, which names and missing help go against as TensorFlow Serving's do; 1 is an error.
        assert checked.returncode in (0, 3), checked.stderr


@pytest.mark.tfs("request-log")
def test_a_sample_of_the_requests_is_logged_as_the_model_config_says(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
    config = tmp_path / "models.config"
    config.write_text(
        f"""model_config_list {{ config {{
            name: "half" base_path: "{store / "half_plus_two"}" model_platform: "tensorflow"
            logging_config {{
                log_collector_config {{ type: "files" filename_prefix: "{tmp_path / "logs" / "half"}" }}
                sampling_config {{ sampling_rate: 1.0 }}
            }}
        }} }}"""
    )
    served = Served(store, f"--model_config_file={config}")
    try:
        assert served.ask([2.0]) == (200, [3.0])
        assert served.call([4.0]) == ("OK", [4.0])
    finally:
        served.server.stop()
    # Complete, or with a dot before its name while the process lives.
    (file,) = (tmp_path / "logs").iterdir()
    logged = [message("tensorflow.serving.PredictionLog").FromString(record) for record in read_records(file)]
    requests = [log.predict_log.request for log in logged]
    assert [request.model_spec.name for request in requests] == ["half", "half"]
    assert requests[0].inputs["x"].tensor_content == struct.pack("<f", 2.0)
    assert list(requests[1].inputs["x"].float_val) == [4.0]


@pytest.mark.tfs("batch-per-model")
def test_only_a_version_with_parameters_of_its_own_is_batched_when_they_are_per_model(
    serve: Callable[..., Served], store: Path
) -> None:
    flag = "--enable_per_model_batching_parameters"
    served = serve(parameters(num_batch_threads=2), flag)
    assert served.ask([0.0]) == (200, [2.0])
    assert served.counted("taxiway_batches_total") == 0
    (store / "half_plus_two" / "1" / "batching_params.pbtxt").write_text(parameters(max_batch_size=2))
    served = serve(parameters(num_batch_threads=2), flag)
    assert served.ask([0.0, 0.0, 0.0])[0] == 400
    assert served.ask([0.0]) == (200, [2.0])
    assert served.counted("taxiway_batches_total") == 1
