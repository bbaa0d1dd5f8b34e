"""The server that is fuzzed: taxiway-model-server, in a process of its own, over models of every kind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc

from taxiway.wire import message
from tests.waiting import free_port

ROOT = Path(__file__).parents[2]
MODELS = ("half_plus_two", "matrix", "words", "odd", "examples", "lite")
LABELLED = 'model_version_policy { all {} } version_labels { key: "stable" value: 1 }'
# On a busy machine, too: TensorFlow and six models are loaded.
START_SECONDS = 300
# Longer than any answer may take on a machine that stands still for seconds: what is not answered by then hangs.
HANG_SECONDS = 30
FLAGS = (
    "--host=127.0.0.1", "--enable_grpc_healthcheck_service", "--prefer_tflite_model=true", "--max_num_load_retries=0",
    "--load_retry_interval_micros=1000", "--reload_timeout_seconds=1",
)  # fmt: skip


class Target:
    """A running server over ``models`` (what ``tests.fuzz.models`` wrote); ``folder`` takes its files."""

    def __init__(self, models: Path, folder: Path) -> None:
        self.rest, self.grpc = free_port(), free_port()
        self.models = models
        self.log = folder / "server.log"
        entries = (
            f'config {{ name: "{name}" model_platform: "tensorflow" base_path: "{models / name}" {LABELLED} }}'
            for name in MODELS
        )
        config, monitoring = folder / "models.config", folder / "monitoring.config"
        config.write_text(f"model_config_list {{ {' '.join(entries)} }}")
        monitoring.write_text('prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }')
        command = [sys.executable, "-m", "taxiway.cli.model_server", *FLAGS, f"--model_config_file={config}"]
        ports = [f"--port={self.grpc}", f"--rest_api_port={self.rest}", f"--monitoring_config_file={monitoring}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *ports],
                stdout=log, stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"},
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.rest}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc}"

    def wait(self) -> None:
        """Until it answers."""
        deadline, pause = time.monotonic() + START_SECONDS, threading.Event()
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.ask("/readyz")
                return
            pause.wait(0.1)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON at a path."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=HANG_SECONDS) as answer:
            return json.load(answer)

    def signatures(self, model: str) -> dict[str, Any]:
        """A model's signatures as its metadata tells them, by name."""
        signatures = self.ask(f"/v1/models/{model}/metadata")["metadata"]["signature_def"]["signature_def"]
        return dict(signatures)

    def alive(self) -> bool:
        return self.process.poll() is None

    def answers_right(self) -> bool:
        """Whether every kind of model still answers what it should, over both protocols."""
        rows = self.ask("/v1/models/half_plus_two:predict", {"instances": [1.0, 4.0]})["predictions"]
        regressed = self.ask("/v1/models/examples:regress", {"signature_name": "regress", "examples": [{"x": 3.0}]})[
            "results"
        ]
        lite = self.ask("/v1/models/lite:predict", {"instances": [[1.0, 2.0]]})["predictions"]
        words = self.ask("/v1/models/words:predict", {"inputs": ["a"]})["outputs"]["upper"]
        request = message("tensorflow.serving.PredictRequest")()
        request.model_spec.name = "half_plus_two"
        request.inputs["x"].dtype = 1
        request.inputs["x"].tensor_shape.dim.add(size=1)
        request.inputs["x"].float_val.append(1.0)
        with grpc.insecure_channel(self.address) as channel:
            predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict", bytes, bytes)
            answer = message("tensorflow.serving.PredictResponse").FromString(
                predict(request.SerializeToString(), timeout=HANG_SECONDS)
            )
        got = (rows, regressed, lite, words, list(answer.outputs["y"].float_val))
        return got == ([2.5, 4.0], [2.5], [[2.0, 3.0]], ["A"], [2.5])

    def memory_mib(self) -> float:
        """Resident memory of the process, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def end(self) -> int:
        """Stop it; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(HANG_SECONDS * 3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
