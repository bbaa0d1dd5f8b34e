"""What is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.client.transport import Target
from taxiway.errors import InvalidArgument, NotFound
from taxiway.load.requests import Asked, prepare
from taxiway.wire import messages
from taxiway.wire.records import write_records
from taxiway.wire.signatures import Signature, TensorSpec
from taxiway.wire.tensors import array_of, tensor_of

SIGNATURE = Signature({"x": TensorSpec(1, (None, 2))}, {"y": TensorSpec(1, (None,))}, "tensorflow/serving/predict")
FIXED = Signature({"x": TensorSpec(1, (3,))}, {"y": TensorSpec(1, (None,))})


def asked(protocol: str = "grpc", signature: Signature = SIGNATURE, **target: Any) -> Asked:
    return Asked(Target("m", **target), "serving_default", signature, protocol)


def read(message: bytes) -> Any:
    return messages.PredictRequest.FromString(message)


def test_rows_are_made_up_from_the_signature() -> None:
    prepared = prepare(asked(version=4), None, 3)
    assert prepared.what == "16 made-up requests of 3 rows"
    sent = [read(message) for _, message in prepared.requests]
    assert {path for path, _ in prepared.requests} == {"/tensorflow.serving.PredictionService/Predict"}
    assert all(one.model_spec.name == "m" and one.model_spec.version.value == 4 for one in sent)
    assert array_of(sent[0].inputs["x"]).shape == (3, 2)
    assert len({message for _, message in prepared.requests}) == 16


@pytest.mark.parametrize(
    ("signature", "sentence"),
    [
        (Signature({"x": TensorSpec(1, (None, None))}, {}), "the shape of 'x'"),
        (Signature({"inputs": TensorSpec(7, (None,))}, {}, "tensorflow/serving/classify"), "No tf.Example can be"),
    ],
)
def test_what_cannot_be_made_up_is_asked_for(signature: Signature, sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence) as refused:
        prepare(asked(signature=signature), None, 1)
    assert "--data" in (refused.value.hint or "")


def test_labels_beside_the_rows_are_not_sent_unless_they_are_an_input() -> None:
    rows = {"x": np.zeros((2, 2)), "labels": np.array([0, 1])}
    assert prepare(asked(), rows, 2) == prepare(asked(), {"x": rows["x"]}, 2)
    takes_labels = Signature({**SIGNATURE.inputs, "labels": TensorSpec(9, (None,))}, SIGNATURE.outputs)
    (sent,) = prepare(asked(signature=takes_labels), rows, 2).requests
    assert array_of(read(sent[1]).inputs["labels"]).tolist() == [0, 1]
    with pytest.raises(InvalidArgument, match="'label' is no input"):
        prepare(asked(), {"x": rows["x"], "label": rows["labels"]}, 2)


def test_given_rows_are_shared_out_and_the_rest_is_told() -> None:
    prepared = prepare(asked("rest", label="stable"), {"x": np.arange(10.0).reshape(5, 2)}, 2)
    assert prepared.what == "2 requests of 2 rows" and prepared.notes == ("the last 1 row of the data are not used",)
    assert {path for path, _ in prepared.requests} == {"/v1/models/m/labels/stable:predict"}
    assert [json.loads(body)["inputs"]["x"] for _, body in prepared.requests] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_inputs_that_are_no_rows_are_one_request() -> None:
    prepared = prepare(asked(signature=FIXED), np.zeros(3), 1)
    assert prepared.what == "one request of the given inputs" and len(prepared.requests) == 1


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="The data has 1 row, fewer than the 2 of a request"):
        prepare(asked(), np.zeros((1, 2)), 2)
    with pytest.raises(InvalidArgument, match="no rows"):
        prepare(asked(), np.zeros((0, 2)), 1)


def recording(place: Path, *kinds: str) -> Path:
    logs = []
    for number, kind in enumerate(kinds):
        log = messages.PredictionLog()
        request = getattr(log, kind).request
        request.model_spec.name, request.model_spec.version.value = "old", 7
        if kind == "predict_log":
            request.inputs["x"].CopyFrom(tensor_of(np.full((1, 2), number, np.float32)))
        logs.append(log.SerializeToString())
    write_records(place, logs)
    return place


def test_recorded_requests_are_sent_as_they_are_to_the_model_that_is_asked(tmp_path: Path) -> None:
    place = recording(tmp_path / "some.tfrecord", "predict_log", "classify_log")
    prepared = prepare(asked(), str(place), 1)
    assert [path.rpartition("/")[2] for path, _ in prepared.requests] == ["Predict", "Classify"]
    spec = read(prepared.requests[0][1]).model_spec
    assert (spec.name, spec.HasField("version")) == ("m", False)


def test_over_rest_recorded_predictions_alone_are_sent(tmp_path: Path) -> None:
    place = recording(tmp_path / "some.tfrecord", "classify_log", "predict_log")
    prepared = prepare(asked("rest", version=2), place, 1)
    ((path, body),) = prepared.requests
    assert path == "/v1/models/m/versions/2:predict" and json.loads(body)["inputs"] == {"x": [[1.0, 1.0]]}
    assert prepared.notes == ("1 recorded requests are left out: over REST only predictions are sent",)
    with pytest.raises(NotFound, match="no request in .* that can be sent"):
        prepare(asked("rest"), recording(tmp_path / "other.tfrecord", "classify_log"), 1)
    with pytest.raises(NotFound, match="no recorded requests"):
        prepare(asked(), tmp_path / "none", 1)
