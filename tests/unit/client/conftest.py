"""A small model behind both protocols, served by this process, with faults that tests switch on."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import json_format

from taxiway.client import Client
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, TaxiwayError, Unavailable
from taxiway.wire import messages
from taxiway.wire.tensors import array_of, tensor_of
from tests.waiting import PATIENCE_SECONDS

OUTPUTS = ("count", "half", "said_bytes")


def signatures() -> messages.SignatureDefMap:
    """X (float32, n × 2), said (string, n) → half, count (int64, n), said_bytes; ``double`` takes and gives one."""
    many = messages.SignatureDefMap()
    default = many.signature_def["serving_default"]
    default.method_name = "tensorflow/serving/predict"
    for group, name, dtype, sizes in [
        (default.inputs, "x", 1, [-1, 2]),
        (default.inputs, "said", 7, [-1]),
        (default.outputs, "half", 1, [-1, 2]),
        (default.outputs, "count", 9, [-1]),
        (default.outputs, "said_bytes", 7, [-1]),
        (many.signature_def["double"].inputs, "x", 3, [-1, 3]),
        (many.signature_def["double"].outputs, "y", 3, [-1, 3]),
    ]:
        group[name].dtype = dtype
        group[name].name = f"{name}:0"
        for size in sizes:
            group[name].tensor_shape.dim.add(size=size)
    return many


@dataclass
class Model:
    """What both fake servers answer from."""

    version: int = 3
    faults: list[TaxiwayError] = field(default_factory=list)
    metadata_calls: int = 0
    predict_calls: int = 0
    hang: threading.Event | None = None
    said: dict[str, dict[str, Any]] = field(default_factory=dict)

    def feedback(self, name: str, request_id: str, said: dict[str, Any]) -> bool:
        """Remembers answers whose ids begin with "id", all but "id-no-class" with a class."""
        if self.faults:
            raise self.faults.pop(0)
        if name != "m" or not request_id.startswith("id"):
            raise NotFound(f"No answer with the id {request_id} is remembered")
        if "label" in said and request_id == "id-no-class":
            raise FailedPrecondition("The answer's first output is no class")
        return self.said.setdefault(request_id, said) is said

    def predict(self, name: str, signature: str, inputs: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
        """Answer, or fail as the next fault says."""
        self.predict_calls += 1
        if self.faults:
            raise self.faults.pop(0)
        if self.hang is not None:
            self.hang.wait(PATIENCE_SECONDS)
        self.known(name)
        if signature == "double":
            return {"y": inputs["x"] * 2}
        if inputs["x"].ndim != 2 or inputs["x"].shape[1] != 2:
            raise InvalidArgument("Matrix size-incompatible")
        said = np.array([one + b"!" for one in inputs["said"]], object)
        return {"half": inputs["x"] / 2, "count": np.arange(len(inputs["x"])), "said_bytes": said}

    def known(self, name: str) -> None:
        """Raise for any model but one."""
        if name != "m":
            raise NotFound(f"Servable not found for request: Latest({name})")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, model: Model) -> Iterator[str]:
    """A server of the model, over each protocol in turn."""
    serve = {"http": http_server, "grpc": grpc_server}[request.param]
    yield from serve(model)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, timeout_seconds=PATIENCE_SECONDS) as client:
        yield client


def http_server(model: Model) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"model": model})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    if model.hang is not None:
        model.hang.set()
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    model: Model
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.split("/")[3] if self.path.count("/") > 2 else ""
        try:
            if self.path == "/v1/models":
                return self.answer(200, {"models": [{"name": "m"}]})
            self.model.known(name)
        except TaxiwayError as error:
            return self.answer(error.http_status, {"error": str(error)})
        if self.path.endswith("/metadata"):
            self.model.metadata_calls += 1
            found = json_format.MessageToDict(signatures(), preserving_proto_field_name=True)
            spec = {"name": name, "signature_name": "", "version": str(self.model.version)}
            return self.answer(200, {"model_spec": spec, "metadata": {"signature_def": found}})
        status = {"error_code": "OK", "error_message": ""}
        row = {"version": str(self.model.version), "state": "AVAILABLE", "status": status}
        return self.answer(200, {"model_version_status": [row]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, _, verb = self.path.split("/")[3].partition(":")
        if verb == "feedback":
            try:
                counted = self.model.feedback(name, body.pop("request_id"), body)
            except TaxiwayError as error:
                return self.answer(error.http_status, {"error": str(error)})
            return self.answer(200, {"counted": counted})
        types = {"x": np.float32 if body["signature_name"] == "serving_default" else np.int32, "said": object}
        inputs = {name: np.array(value, types[name]) for name, value in body["inputs"].items()}
        if "said" in inputs:
            inputs["said"][:] = [base64.b64decode(one["b64"]) for one in inputs["said"]]
        try:
            outputs = self.model.predict(name, body["signature_name"], inputs)
        except TaxiwayError as error:
            return self.answer(error.http_status, {"error": str(error)})
        if "said_bytes" in outputs:
            outputs["said_bytes"] = np.array([{"b64": base64.b64encode(one).decode()} for one in outputs["said_bytes"]])
        values = {name: array.tolist() for name, array in outputs.items()}
        return self.answer(200, {"outputs": values if len(values) > 1 else next(iter(values.values()))})

    def answer(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", self.headers.get("x-request-id", "new-1"))
        self.send_header("x-taxiway-version", str(self.model.version))
        if "x-routing-key" in self.headers:
            self.send_header("x-taxiway-arm", f"arm-of-{self.headers['x-routing-key']}")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def grpc_server(model: Model) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([_Service(model)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    if model.hang is not None:
        model.hang.set()
    server.stop(None).wait()


class _Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, model: Model) -> None:
        self.model = model

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        kinds: dict[str, Any] = {
            "Predict": messages.PredictRequest,
            "GetModelMetadata": messages.GetModelMetadataRequest,
            "GetModelStatus": messages.GetModelStatusRequest,
            "Give": messages.FeedbackRequest,
        }

        def handle(data: bytes, context: Any) -> bytes:
            request = kinds[name].FromString(data)
            ids = dict(context.invocation_metadata())
            context.set_trailing_metadata([("x-request-id", ids.get("x-request-id", "new-1"))])
            try:
                answer: bytes = getattr(self, name)(request).SerializeToString()
            except TaxiwayError as error:
                codes = {code.value[0]: code for code in grpc.StatusCode}
                context.abort(codes[error.grpc_code], str(error))
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    def Predict(self, request: Any) -> Any:
        inputs = {name: array_of(tensor) for name, tensor in request.inputs.items()}
        outputs = self.model.predict(request.model_spec.name, request.model_spec.signature_name, inputs)
        response = messages.PredictResponse()
        response.model_spec.version.value = self.model.version
        for name, array in outputs.items():
            if not request.output_filter or name in request.output_filter:
                response.outputs[name].CopyFrom(tensor_of(array))
        return response

    def GetModelMetadata(self, request: Any) -> Any:
        self.model.known(request.model_spec.name)
        self.model.metadata_calls += 1
        response = messages.GetModelMetadataResponse()
        response.model_spec.version.value = self.model.version
        response.metadata["signature_def"].value = signatures().SerializeToString()
        return response

    def GetModelStatus(self, request: Any) -> Any:
        self.model.known(request.model_spec.name)
        response = messages.GetModelStatusResponse()
        response.model_version_status.add(version=self.model.version, state=30)
        return response

    def Give(self, request: Any) -> Any:
        kind = request.WhichOneof("judgement")
        said = {"label": list(request.labels.label)} if kind == "labels" else {kind: getattr(request, kind)}
        return messages.FeedbackResponse(counted=self.model.feedback(request.model, request.request_id, said))


def busy() -> TaxiwayError:
    """What a server says that turns a call away."""
    return Unavailable("too many requests are waiting")
