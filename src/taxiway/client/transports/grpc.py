"""TensorFlow Serving's gRPC services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from taxiway.client.answer import Metadata, VersionStatus
from taxiway.client.tls import TLS_HINT, Tls, read
from taxiway.client.transport import Call, Deadline, Judgement, Refused, Reply, Target
from taxiway.errors import DataLoss, Unavailable, Unimplemented, error_of_kind, kind_of_code
from taxiway.wire import messages
from taxiway.wire.signatures import signature_of
from taxiway.wire.tensors import array_of, tensor_of

__all__ = ["PREDICTION", "GrpcTransport", "predict_request"]

R = TypeVar("R", bound=Message)

PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Retries are ours, in one place for every protocol.
    ("grpc.enable_retries", 0),
    # A server that restarts is found again as soon as it is there.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
# What grpc says when a call never left this machine. Any other loss of a connection may have come after the work.
_NEVER_SENT = ("failed to connect", "connections to all backends failing", "name resolution", "dns resolution")
# And when the handshake failed: asking again would not help.
_TLS_FAILED = ("CERTIFICATE_VERIFY_FAILED", "SSL_ERROR", "handshake failed")


class GrpcTransport:
    """Asks over one channel, which reconnects by itself.

    Args:
        address: ``host:port``.
        tls: certificates; no TLS when None.
    """

    def __init__(self, address: str, tls: Tls | None = None) -> None:
        self._address = address
        if tls is None:
            self._channel = grpc.insecure_channel(address, options=_OPTIONS)
            return
        proof = grpc.ssl_channel_credentials(read(tls.ca_file), read(tls.key_file), read(tls.cert_file))
        self._channel = grpc.secure_channel(address, proof, options=_OPTIONS)

    def predict(self, call: Call, deadline: Deadline) -> Reply:
        """Predict. Strings and numbers go as bytes, whatever their number."""
        request = predict_request(call)
        headers = call.headers().items()
        response, answered = self._ask(f"{PREDICTION}Predict", request, messages.PredictResponse, deadline, headers)
        version = response.model_spec.version.value if response.model_spec.HasField("version") else None
        return Reply(
            outputs={name: array_of(response.outputs[name]) for name in sorted(response.outputs)},
            version=version,
            request_id=answered.get("x-request-id", call.request_id),
            arm=answered.get("x-taxiway-arm"),
        )

    def metadata(self, target: Target, deadline: Deadline) -> Metadata:
        """GetModelMetadata of ``signature_def``."""
        request = messages.GetModelMetadataRequest(model_spec=_spec(target), metadata_field=["signature_def"])
        response, _ = self._ask(f"{PREDICTION}GetModelMetadata", request, messages.GetModelMetadataResponse, deadline)
        try:
            found = messages.SignatureDefMap.FromString(response.metadata["signature_def"].value)
        except DecodeError:
            raise DataLoss(f"The signatures that {self._address} gave for {target.model} do not parse.") from None
        spec = response.model_spec
        return Metadata(
            model=target.model,
            version=spec.version.value if spec.HasField("version") else None,
            signatures={name: signature_of(found.signature_def[name]) for name in sorted(found.signature_def)},
        )

    def status(self, target: Target, deadline: Deadline) -> tuple[VersionStatus, ...]:
        """GetModelStatus."""
        request = messages.GetModelStatusRequest(model_spec=_spec(target))
        response, _ = self._ask(f"{_MODEL}GetModelStatus", request, messages.GetModelStatusResponse, deadline)
        states = messages.ModelVersionStatus.DESCRIPTOR.enum_types_by_name["State"].values_by_number
        return tuple(
            VersionStatus(
                version=one.version,
                state=states[one.state].name if one.state in states else "UNKNOWN",
                error_kind=kind_of_code(one.status.error_code),
                error=one.status.error_message,
            )
            for one in response.model_version_status
        )

    def models(self, deadline: Deadline) -> tuple[str, ...]:
        """Unimplemented: TensorFlow Serving's gRPC services have no list of models."""
        raise Unimplemented("A server lists its models over REST only.", hint="Use a client for http://….")

    def feedback(self, model: str, request_id: str, judgement: Judgement, deadline: Deadline) -> bool:
        """Give of Taxiway's own service."""
        request = messages.FeedbackRequest(model=model, request_id=request_id)
        if judgement.labels is not None:
            request.labels.label.extend(judgement.labels)
        elif judgement.value is not None:
            request.value = judgement.value
        elif judgement.correct is not None:
            request.correct = judgement.correct
        response, _ = self._ask("/taxiway.v1.FeedbackService/Give", request, messages.FeedbackResponse, deadline)
        return response.counted

    def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self._channel.close()

    def _ask(
        self, method: str, request: Message, kind: type[R], deadline: Deadline, headers: Iterable[tuple[str, str]] = ()
    ) -> tuple[R, dict[str, str]]:
        stub: Any = self._channel.unary_unary(
            method, request_serializer=type(request).SerializeToString, response_deserializer=None
        )
        try:
            data, call = stub.with_call(request, timeout=deadline.check(), metadata=tuple(headers))
        except grpc.RpcError as error:
            raise self._error(error, deadline) from None
        except ValueError as error:
            raise Unavailable(f"The client of {self._address} is closed: {error}") from None
        try:
            return kind.FromString(data), _metadata(call)
        except DecodeError:
            raise DataLoss(f"{self._address} answered {method} with {len(data)} bytes that do not parse.") from None

    def _error(self, error: Any, deadline: Deadline) -> Exception:
        code, details = error.code(), error.details() or ""
        kind = code.name if code is not None else "UNKNOWN"
        if kind == "DEADLINE_EXCEEDED" and deadline.remaining() <= 0:
            return error_of_kind(kind, f"{self._address} did not answer within {deadline.timeout_seconds:g} s.")
        if kind != "UNAVAILABLE":
            return error_of_kind(kind, details)
        if any(mark in details for mark in _TLS_FAILED):
            return Unavailable(f"{self._address} and this client do not agree on TLS: {details}", hint=TLS_HINT)
        if details.lower().startswith(_NEVER_SENT):
            hint = "Is the server running, and is this its gRPC port? taxiway serve prints its addresses."
            return Refused(f"Nobody answers at grpc://{self._address}: {details}", hint=hint)
        # A server that says so itself has its mark in the trailers; a connection that broke has none.
        return (Refused if "x-request-id" in _metadata(error) else Unavailable)(details)


def predict_request(call: Call) -> messages.PredictRequest:
    """The message of a prediction."""
    request = messages.PredictRequest(model_spec=_spec(call.target, call.signature), output_filter=call.outputs)
    for name, array in call.inputs.items():
        request.inputs[name].CopyFrom(tensor_of(array))
    return request


def _spec(target: Target, signature: str = "") -> messages.ModelSpec:
    spec = messages.ModelSpec(name=target.model, signature_name=signature)
    if target.version is not None:
        spec.version.value = target.version
    elif target.label is not None:
        spec.version_label = target.label
    return spec


def _metadata(call: Any) -> dict[str, str]:
    return dict((*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())))
