"""Which answers that differ in their bytes differ in what they say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from taxiway.load.equal import Equality, judge
from taxiway.load.generator import Different
from taxiway.wire import messages
from taxiway.wire.tensors import tensor_of

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def answer(version: int = 1, **outputs: Any) -> bytes:
    response = messages.PredictResponse()
    response.model_spec.version.value = version
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(tensor_of(np.asarray(value)))
    return bytes(response.SerializeToString())


def judged(first: bytes, *others: tuple[bytes, int], not_kept: int = 0, protocol: str = "grpc") -> Equality:
    return judge([Different(0, first, others, not_kept)], [PREDICT], protocol)


def test_the_same_numbers_in_another_order_are_equal() -> None:
    mixed = b"".join(
        messages.PredictResponse(outputs={name: tensor_of(np.asarray([value]))}).SerializeToString()
        for name, value in (("b", 2.0), ("a", 1.0))
    )
    assert judged(answer(a=[1.0], b=[2.0]), (mixed, 5)) == Equality()


def test_rounding_is_told_apart_from_another_answer() -> None:
    found = judged(
        answer(y=[1.0, np.nan]), (answer(y=[1.0 + 1e-6, np.nan]), 3), (answer(version=2, y=[2.0, np.nan]), 2)
    )
    assert (found.requests, found.close, found.different, found.example) == (1, 3, 2, 0)
    assert 0 < found.largest < 2e-6 and found.versions == (1, 2)


def test_another_shape_name_or_class_is_another_answer() -> None:
    first = answer(y=[1, 2])
    for other in (answer(y=[[1, 2]]), answer(z=[1, 2]), answer(y=[1, 3]), answer(y=[1.0, 2.0]), b"\xff\xff"):
        assert judged(first, (other, 1)).different == 1


def test_answers_that_were_not_kept_count_as_different() -> None:
    assert judged(answer(y=[1.0]), not_kept=4).different == 4


def test_json_is_compared_by_its_numbers() -> None:
    def body(**value: Any) -> bytes:
        return json.dumps(value).encode()

    first = body(outputs={"y": [[0.5, 1.0]], "said": ["a"]})
    near = body(outputs={"said": ["a"], "y": [[0.5, 1.0000001]]})
    found = judged(first, (near, 1), (body(outputs={"y": [[0.5, 1.0]], "said": ["b"]}), 1), protocol="rest")
    assert (found.close, found.different) == (1, 1)
    assert judged(b"not json", (b"nor this", 1), protocol="rest").different == 1


def test_of_other_methods_the_messages_are_compared() -> None:
    def classified(label: str) -> bytes:
        response = messages.ClassificationResponse()
        response.result.classifications.add().classes.add(label=label)
        return bytes(response.SerializeToString())

    path = "/tensorflow.serving.PredictionService/Classify"
    assert judge([Different(0, classified("a"), ((classified("b"), 2),), 0)], [path], "grpc").different == 2
