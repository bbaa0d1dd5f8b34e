"""Asking a server a recorded request again, of one version."""

from __future__ import annotations

import time
from typing import Any

import grpc
import numpy as np

from taxiway.replay.compare import Answered
from taxiway.replay.door import Door
from taxiway.wire import messages
from taxiway.wire.recording import METHODS, Recorded
from taxiway.wire.tensors import Array, array_of

__all__ = ["Asker"]

_SERVICE = "/tensorflow.serving.PredictionService/"
# What comes from a recording must not enter it again.
_UNRECORDED = (("x-taxiway-record", "no"),)


class Asker:
    """One channel to a server.

    Args:
        door: where to ask it; or ``host:port`` of its gRPC port.
        model: the name it has there, whatever the recording calls it.
        timeout_seconds: for a request.
    """

    def __init__(self, door: Door | str, model: str, timeout_seconds: float) -> None:
        self._channel = (Door(door) if isinstance(door, str) else door).channel()
        self._model, self._timeout = model, timeout_seconds

    def ask(self, recorded: Recorded, version: int | None) -> Answered:
        """What ``version`` answers, or the one that is chosen for the request when None."""
        method, answer = METHODS[recorded.kind]
        request = type(recorded.request)()
        request.CopyFrom(recorded.request)
        for spec in _specs(recorded.kind, request):
            spec.name = self._model
            spec.ClearField("version_choice")
            if version is not None:
                spec.version.value = version
        call: Any = self._channel.unary_unary(
            _SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(messages, answer).FromString,
        )
        began = time.perf_counter()
        try:
            response, answered = call.with_call(request, timeout=self._timeout, metadata=_UNRECORDED)
        except grpc.RpcError as error:
            code: Any = error
            text = f"{code.code().name}: {(code.details() or '')[:200]}"
            return Answered({}, text, time.perf_counter() - began, *_said(code))
        seconds = time.perf_counter() - began
        return Answered(_outputs(recorded.kind, response), None, seconds, *_said(answered))

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _said(call: Any) -> tuple[int | None, str, str]:
    """Which version answered, of which arm it was, and the request's id, as the server's metadata says."""
    metadata = dict((*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())))
    version = str(metadata.get("x-taxiway-version", ""))
    arm, request_id = (str(metadata.get(name, "")) for name in ("x-taxiway-arm", "x-request-id"))
    return (int(version) if version.isdigit() else None), arm, request_id


def _specs(kind: str, request: Any) -> list[Any]:
    return [task.model_spec for task in request.tasks] if kind == "multi_inference_log" else [request.model_spec]


def _outputs(kind: str, response: Any) -> dict[str, Array]:
    if kind == "predict_log":
        return {name: array_of(tensor) for name, tensor in response.outputs.items()}
    if kind == "multi_inference_log":
        found: dict[str, Array] = {}
        for number, result in enumerate(response.results):
            part = result.WhichOneof("result")
            found.update({f"{number}/{name}": array for name, array in _of(part, getattr(result, part)).items()})
        return found
    return _of("classification_result" if kind == "classify_log" else "regression_result", response.result)


def _of(part: str, result: Any) -> dict[str, Array]:
    if part == "regression_result":
        return {"value": np.asarray([one.value for one in result.regressions], np.float32)}
    rows = [one.classes for one in result.classifications]
    labels, scores = np.empty(len(rows), object), [[one.score for one in row] for row in rows]
    for number, row in enumerate(rows):
        labels[number] = "\n".join(one.label for one in row).encode()
    even = len({len(row) for row in scores}) <= 1
    return {"classes": labels, **({"scores": np.asarray(scores, np.float32)} if even else {})}
