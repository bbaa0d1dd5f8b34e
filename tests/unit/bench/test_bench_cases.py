"""A request is the same bytes for every server of a form, and an answer is held to the model's own."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from bench import cases
from bench.models import Built
from taxiway.wire import message

ROWS = np.array([[0.5, 1.0], [2.0, 3.0]], np.float32)


def built(rows: np.ndarray) -> Built:
    return Built("m", Path("/s"), Path("/s/m/1"), "x", "y", rows, np.array([[1.0], [2.0]], np.float32), 1e-3)


def test_numbers_and_texts_are_written_for_each_protocol_and_form() -> None:
    numbers, texts = built(ROWS), built(np.array([b"a\0", b"b"], object))
    assert json.loads(cases.make(numbers, "rest", 1).body) == {"instances": [[0.5, 1.0]]}
    v2 = json.loads(cases.make(numbers, "rest", 2, "v2").body)["inputs"]
    assert v2 == [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [0.5, 1.0, 2.0, 3.0]}]
    assert json.loads(cases.make(texts, "rest", 1).body) == {"instances": [{"b64": base64.b64encode(b"a\0").decode()}]}
    request = message("tensorflow.serving.PredictRequest").FromString(cases.make(texts, "grpc", 2).body)
    assert list(request.inputs["x"].string_val) == [b"a\0", b"b"] and request.inputs["x"].dtype == 7
    assert cases.route(numbers) == "/v1/models/m:predict" and cases.route(numbers, "v2") == "/v2/models/m/infer"


@pytest.mark.parametrize(
    ("form", "given", "is_right"),
    [
        ("tensorflow", {"predictions": [[1.0005]]}, True),
        ("tensorflow", {"predictions": [[1.1]]}, False),
        ("v2", {"outputs": [{"name": "y", "shape": [1, 1], "data": [0.9995]}]}, True),
        ("v2", {"outputs": [{"name": "y", "shape": [1], "data": [1.0]}]}, False),
    ],
)
def test_an_answer_may_differ_by_its_models_tolerance(
    monkeypatch: pytest.MonkeyPatch, form: str, given: object, is_right: bool
) -> None:
    monkeypatch.setattr(cases, "_ask_rest", lambda *_: json.dumps(given).encode())
    case = cases.make(built(ROWS), "rest", 1, form)
    if is_right:
        assert cases.ask(case, "host:1", "/")
    else:
        with pytest.raises(cases.WrongAnswer, match="expected"):
            cases.ask(case, "host:1", "/")
