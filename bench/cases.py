"""The bytes of a request, the same for every server, and the check of what comes back."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from bench.models import Built
from taxiway.wire import message

GRPC_METHOD = "/tensorflow.serving.PredictionService/Predict"
_FLOAT32 = 1
# Two correct float32 runtimes differ in the order of their sums.
_TOLERANCE = 1e-5


class WrongAnswer(Exception):
    """A server answered something else than the model's own answer."""


@dataclass(frozen=True)
class Case:
    """One request and its right answer.

    Attributes:
        protocol: ``grpc`` or ``rest``.
        body: the PredictRequest message, or the JSON document.
        output_name: the output that is compared.
        expected: its right value.
    """

    protocol: str
    body: bytes
    output_name: str
    expected: NDArray[Any]


def make(built: Built, protocol: str, rows: int) -> Case:
    """The request with the first ``rows`` rows of the model."""
    encode = _grpc_body if protocol == "grpc" else _rest_body
    return Case(protocol, encode(built, built.rows[:rows]), built.output_name, built.expected[:rows])


def route(built: Built) -> str:
    """The path that REST predictions are posted to."""
    return f"/v1/models/{built.name}:predict"


def _grpc_body(built: Built, rows: NDArray[Any]) -> bytes:
    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = built.name
    request.model_spec.signature_name = "serving_default"
    tensor = request.inputs[built.input_name]
    tensor.dtype = _FLOAT32
    for size in rows.shape:
        tensor.tensor_shape.dim.add().size = size
    tensor.tensor_content = np.ascontiguousarray(rows, np.float32).tobytes()
    return bytes(request.SerializeToString(deterministic=True))


def _rest_body(built: Built, rows: NDArray[Any]) -> bytes:
    return json.dumps({"instances": rows.tolist()}).encode()


def ask(case: Case, address: str, path: str, timeout_seconds: float = 5.0) -> bytes:
    """Send the case to ``host:port`` and give the body of a right answer.

    Args:
        path: the REST route; gRPC has its own.

    Raises:
        WrongAnswer: the answer is not the model's.
        OSError, grpc.RpcError: there was no answer, or an error.
    """
    if case.protocol == "grpc":
        body = _ask_grpc(case, address, timeout_seconds)
        given = _grpc_values(body, case.output_name)
    else:
        body = _ask_rest(case, f"http://{address}{path}", timeout_seconds)
        given = np.array(_rest_values(body, case.output_name), np.float32)
    if given.shape != case.expected.shape or not np.allclose(given, case.expected, atol=_TOLERANCE):
        raise WrongAnswer(f"{address} answered {given.tolist()}, expected {case.expected.tolist()}")
    return body


def answers(case: Case, address: str, path: str) -> bool:
    """Whether the server gives the right answer now; False while nothing or an error is answered."""
    try:
        ask(case, address, path)
    except (OSError, grpc.RpcError, urllib.error.HTTPError):
        return False
    return True


def _ask_grpc(case: Case, address: str, timeout_seconds: float) -> bytes:
    with grpc.insecure_channel(address) as channel:
        return call(channel, GRPC_METHOD, case.body, timeout_seconds)


def call(channel: grpc.Channel, method: str, request: bytes, timeout_seconds: float) -> bytes:
    """Call a method with a request that is bytes already; its answer, as bytes."""
    unary = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    return bytes(unary(request, timeout=timeout_seconds))


def _ask_rest(case: Case, url: str, timeout_seconds: float) -> bytes:
    post = urllib.request.Request(url, case.body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(post, timeout=timeout_seconds) as response:
        return bytes(response.read())


def _grpc_values(body: bytes, output_name: str) -> NDArray[Any]:
    tensor = message("tensorflow.serving.PredictResponse").FromString(body).outputs[output_name]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, np.float32).reshape(shape)
    return np.array(tensor.float_val, np.float32).reshape(shape)


def _rest_values(body: bytes, output_name: str) -> list[Any]:
    predictions = json.loads(body)["predictions"]
    return [row[output_name] if isinstance(row, dict) else row for row in predictions]
