"""The bytes of a request, the same for every server, and the check of what comes back."""

from __future__ import annotations

import base64
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
_FLOAT32, _STRING = 1, 7


class WrongAnswer(Exception):
    """A server answered something else than the model's own answer."""


@dataclass(frozen=True)
class Case:
    """One request and its right answer.

    Attributes:
        protocol: ``grpc`` or ``rest``.
        form: ``tensorflow`` or ``v2``; see :class:`bench.participants.Participant`.
        body: the PredictRequest message, or the JSON document.
        output_name: the output that is compared.
        expected: its right value.
        tolerance: how far from it a right answer may be: runtimes differ in the order of their sums.
    """

    protocol: str
    form: str
    body: bytes
    output_name: str
    expected: NDArray[Any]
    tolerance: float


def make(built: Built, protocol: str, rows: int, form: str = "tensorflow") -> Case:
    """The request with the first ``rows`` rows of the model."""
    encode = _grpc_body if protocol == "grpc" else _v2_body if form == "v2" else _rest_body
    return Case(
        protocol, form, encode(built, built.rows[:rows]), built.output_name, built.expected[:rows], built.tolerance
    )


def route(built: Built, form: str = "tensorflow") -> str:
    """The path that REST predictions are posted to."""
    return f"/v2/models/{built.name}/infer" if form == "v2" else f"/v1/models/{built.name}:predict"


def _v2_body(built: Built, rows: NDArray[Any]) -> bytes:
    flat = {"name": built.input_name, "shape": list(rows.shape), "datatype": "FP32", "data": rows.reshape(-1).tolist()}
    return json.dumps({"inputs": [flat]}).encode()


def _grpc_body(built: Built, rows: NDArray[Any]) -> bytes:
    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = built.name
    request.model_spec.signature_name = "serving_default"
    tensor = request.inputs[built.input_name]
    is_text = rows.dtype == object
    tensor.dtype = _STRING if is_text else _FLOAT32
    for size in rows.shape:
        tensor.tensor_shape.dim.add().size = size
    if is_text:
        tensor.string_val.extend(rows.tolist())
    else:
        tensor.tensor_content = np.ascontiguousarray(rows, np.float32).tobytes()
    return bytes(request.SerializeToString(deterministic=True))


def _rest_body(built: Built, rows: NDArray[Any]) -> bytes:
    if rows.dtype == object:
        return json.dumps({"instances": [{"b64": base64.b64encode(row).decode()} for row in rows]}).encode()
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
        values = _v2_values if case.form == "v2" else _rest_values
        given = np.array(values(body, case.output_name), np.float32)
    if given.shape != case.expected.shape or not np.allclose(given, case.expected, atol=case.tolerance):
        raise WrongAnswer(f"{address} answered {_few(given)}, expected {_few(case.expected)}")
    return body


def _few(values: NDArray[Any]) -> str:
    return f"{values.reshape(-1)[:10].tolist()} (shape {list(values.shape)})"


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


def _v2_values(body: bytes, output_name: str) -> NDArray[Any]:
    found = next(one for one in json.loads(body)["outputs"] if one["name"] == output_name)
    values: NDArray[Any] = np.array(found["data"], np.float32).reshape(found["shape"])
    return values
