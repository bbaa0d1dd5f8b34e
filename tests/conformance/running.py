"""A real ``taxiway-model-server`` in a process of its own, and how the tests speak to it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import requests

from taxiway.wire import message
from tests.waiting import PATIENCE_SECONDS, eventually, free_port

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "taxiway.cli.model_server")
PACKAGE = "tensorflow.serving"
# Models of every kind are loaded first, each with TensorFlow.
START_SECONDS = 180


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "0", **more}


def run_to_its_end(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a server that does not come to serve."""
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment()
    )
    return done.returncode, done.stdout, done.stderr


def put(models: Path, name: str, version: int, base: Path, number: int | None = None) -> Path:
    """Put a version under ``base``, copied beside it and renamed."""
    base.mkdir(parents=True, exist_ok=True)
    staging = base.parent / f".{base.name}-{version}"
    shutil.copytree(models / name / str(version), staging)
    staging.rename(base / str(version if number is None else number))
    return base


def models_config(path: Path, **models: str) -> Path:
    """Write a model config file, as an atomic replacement; ``models`` maps a name to its base path and more."""
    text = "".join(f'config {{ name: "{n}" model_platform: "tensorflow" base_path: {b} }}\n' for n, b in models.items())
    beside = path.with_suffix(".new")
    beside.write_text(f"model_config_list {{\n{text}}}\n")
    return beside.rename(path)


@dataclass(frozen=True)
class Refusal:
    """How a call failed."""

    code: str
    text: str


class Server:
    """A running server. ``log`` and ``out`` are its standard error and output; ``end`` it when done."""

    def __init__(self, folder: Path, *flags: str, ready: bool = True, rest: bool = True, **variables: str) -> None:
        self.rest_port, self.grpc_port = free_port(), free_port()
        name = f"server-{self.grpc_port}"
        self.log, self.out = folder / f"{name}.err", folder / f"{name}.out"
        ports = [f"--port={self.grpc_port}", *([f"--rest_api_port={self.rest_port}"] if rest else [])]
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, *ports, "--load_retry_interval_micros=1000", *flags],
                stdout=out, stderr=log, env=environment(**variables),
            )  # fmt: skip
        self.session = requests.Session()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", [("grpc.max_receive_message_length", -1)])
        if ready:
            try:
                eventually(self.answers, START_SECONDS)
            except BaseException:
                self.kill()
                raise

    def answers(self) -> bool:
        """Whether gRPC's port is open."""
        assert self.process.poll() is None, f"ended: {self.out.read_text()}\n{self.log.read_text()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.grpc_port), 1):
            return True
        return False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.rest_port}{path}"

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url(path), timeout=PATIENCE_SECONDS, **more)

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        """POST under ``/v1/models/``: JSON of ``body``, or ``body`` itself when it is text or bytes."""
        given = {"data": body} if isinstance(body, str | bytes) else {"json": body}
        return self.session.post(self.url(f"/v1/models/{path}"), **{"timeout": PATIENCE_SECONDS, **given, **more})

    def predicted(self, model: str, *rows: Any, signature: str = "") -> Any:
        """The predictions for rows; an error's text when there are none."""
        body = {"instances": rows, **({"signature_name": signature} if signature else {})}
        answer = self.post(f"{model}:predict", body).json()
        return answer.get("predictions", answer.get("error"))

    def states(self, model: str) -> dict[int, str]:
        listed = self.get(f"/v1/models/{model}").json().get("model_version_status", [])
        return {int(one["version"]): one["state"] for one in listed}

    def call(self, method: str, request: Any, timeout: float = PATIENCE_SECONDS) -> Any:
        """``Service/Method`` of TensorFlow Serving: the answer, or a :class:`Refusal`."""
        answer = {"Classify": "Classification", "Regress": "Regression", "HandleReloadConfigRequest": "ReloadConfig"}
        named = method.split("/")[1]
        ask = self.channel.unary_unary(
            f"/{PACKAGE}.{method}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=message(f"{PACKAGE}.{answer.get(named, named)}Response").FromString,
        )
        try:
            return ask(request, timeout=timeout)
        except grpc.RpcError as error:
            return Refusal(error.code().name, error.details() or "")

    def predict(self, model: str, timeout: float = PATIENCE_SECONDS, signature: str = "", **inputs: Any) -> Any:
        """Predict over gRPC with vectors of floats, or with TensorProtos."""
        return self.call("PredictionService/Predict", predict_request(model, signature, **inputs), timeout)

    def logged(self, text: str) -> bool:
        return re.search(text, self.log.read_text()) is not None

    def kill(self) -> None:
        self.channel.close()
        self.session.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_SECONDS)


def floats(values: Sequence[float], shape: Sequence[int] | None = None) -> Any:
    """A TensorProto of floats; a vector when no shape is given."""
    tensor = message("tensorflow.TensorProto")(dtype=1, float_val=list(values))
    for size in (len(values),) if shape is None else shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def predict_request(model: str, signature: str = "", **inputs: Any) -> Any:
    request = message(f"{PACKAGE}.PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(floats(value) if isinstance(value, list | tuple) else value)
    return request


def examples(request: Any, *rows: dict[str, float]) -> Any:
    """``request`` with an example of float features for each row."""
    for row in rows:
        example = request.input.example_list.examples.add()
        for name, value in row.items():
            example.features.feature[name].float_list.value.append(value)
    return request
