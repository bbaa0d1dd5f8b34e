"""Models as people make them, served, and asked over both protocols."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taxiway.wire import message
from tests.conformance.running import Refusal, Server, examples, floats, predict_request, put


@pytest.mark.tfs("real-tf1", "url-classify", "url-regress", "example-results")
def test_a_model_of_tensorflow_1_classifies_and_regresses_over_rest(served: Server) -> None:
    body: Any = {"signature_name": "classify_labels", "examples": [{"x": 2.0}, {"x": 0.0}, {}]}
    answer = served.post("half_plus_two:classify", body).json()
    assert answer == {"results": [[["high", 3.0]], [["low", 2.0]], [["low", 2.0]]]}
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    assert served.post("half_plus_two/versions/123:classify", body).json() == {"results": [[["", 3.0]]]}
    body = {"signature_name": "regress_x2_to_y", "context": {"x2": 4.0}, "examples": [{"x": 1.0}, {"x2": 6.0}]}
    assert served.post("half_plus_three:regress", body).json() == {"results": [5.0, 6.0]}


@pytest.mark.tfs("real-tf1", "examples-fed", "examples-outputs", "spec-echo", "grpc-prediction")
def test_a_model_of_tensorflow_1_classifies_and_regresses_over_grpc(served: Server) -> None:
    request = examples(message("tensorflow.serving.ClassificationRequest")(), {"x": 2.0}, {"x": 0.0})
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", "classify_labels"
    answer = served.call("PredictionService/Classify", request)
    classes = [[(one.label, one.score) for one in row.classes] for row in answer.result.classifications]
    assert classes == [[("high", 3.0)], [("low", 2.0)]]
    spec = answer.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("half_plus_two", "classify_labels", 123)

    request = examples(message("tensorflow.serving.RegressionRequest")(), {"x": 2.0}, {"x": 4.0})
    request.model_spec.name, request.model_spec.signature_name = "half_plus_three", "regress_x_to_y"
    answer = served.call("PredictionService/Regress", request)
    assert [one.value for one in answer.result.regressions] == [4.0, 5.0]
    assert answer.model_spec.signature_name == "regress_x_to_y"


@pytest.mark.tfs("multi-tasks")
def test_several_inferences_of_one_input(served: Server) -> None:
    request = examples(message("tensorflow.serving.MultiInferenceRequest")(), {"x": 2.0})
    for signature, method in (("regress_x_to_y", "regress"), ("classify_x_to_y", "classify")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "half_plus_two", signature
    first, second = served.call("PredictionService/MultiInference", request).results
    assert first.regression_result.regressions[0].value == 3.0
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    for result, signature in ((first, "regress_x_to_y"), (second, "classify_x_to_y")):
        spec = result.model_spec
        assert (spec.name, spec.signature_name, spec.version.value) == ("half_plus_two", signature, 123)


@pytest.mark.tfs("predict-any-signature")
def test_any_signature_can_be_predicted(served: Server) -> None:
    example = message("tensorflow.Example")()
    example.features.feature["x"].float_list.value.append(2.0)
    tensor = message("tensorflow.TensorProto")(dtype=7, string_val=[example.SerializeToString()])
    tensor.tensor_shape.dim.add(size=1)
    answer = served.predict("half_plus_two", signature="regress_x_to_y", inputs=tensor)
    assert list(answer.outputs["outputs"].float_val) == [3.0]


@pytest.mark.tfs("real-stateful", "err-no-inputs")
def test_a_counter_counts_and_has_no_inputs(served: Server) -> None:
    def count(signature: str, **inputs: Any) -> float:
        return float(served.predict("counter", signature=signature, **inputs).outputs["output"].float_val[0])

    assert [count("reset_counter"), count("get_counter")] == [0.0, 0.0]
    assert [count("incr_counter"), count("incr_counter"), count("get_counter")] == [1.0, 2.0, 2.0]
    assert count("incr_counter_by", delta=floats([3.0], [])) == 5.0
    answer = served.post("counter:predict", {"signature_name": "get_counter", "instances": [{}]})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Failed to get input map for signature: get_counter"},
    )
    answer = served.post("counter:predict", {"inputs": {}})
    assert answer.json()["error"] in (
        'Serving signature name: "serving_default" not found in signature def',
        "Failed to get input map for signature: DEFAULT",
    )


@pytest.mark.tfs("real-tf2", "spec-choice", "spec-echo")
def test_functions_of_tensorflow_2_are_signatures(served: Server) -> None:
    assert served.predicted("functions", 2.0) == [12.0]
    assert served.predicted("functions", 2.0, signature="custom") == [4.0]
    request = predict_request("functions", "custom", x=[2.0, 3.0])
    request.model_spec.version.value = 1
    answer = served.call("PredictionService/Predict", request)
    assert list(answer.outputs["y"].float_val) == [4.0, 5.0]
    assert (answer.model_spec.signature_name, answer.model_spec.version.value) == ("custom", 1)
    assert served.predict("functions", x=[1.0]).model_spec.signature_name == "serving_default"


@pytest.mark.tfs("predict-defaults")
def test_a_default_of_the_signature_fills_an_input(served: Server) -> None:
    assert list(served.predict("functions", signature="with_default", a=[1.0, 2.0]).outputs["sum"].float_val) == [6, 7]
    given = served.predict("functions", signature="with_default", a=[1.0], b=floats([1.0], []))
    assert list(given.outputs["sum"].float_val) == [2.0]
    refused = served.predict("functions", signature="with_default", b=floats([1.0], []))
    assert isinstance(refused, Refusal) and refused.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("keras3", marks=pytest.mark.tfs("real-keras3")),
        pytest.param("keras2", marks=pytest.mark.tfs("real-keras2")),
        pytest.param("mirrored", marks=pytest.mark.tfs("real-mirrored")),
    ],
)
def test_models_of_keras_serve(served: Server, model: str) -> None:
    assert served.predicted(model, [1.0], [2.0]) == [[2.0], [3.0]]
    answer = served.predict(model, **{next(iter(_inputs(served, model))): floats([4.0], [1, 1])})
    assert [list(output.float_val) for output in answer.outputs.values()] == [[5.0]]


def _inputs(served: Server, model: str) -> list[str]:
    metadata = served.get(f"/v1/models/{model}/metadata").json()["metadata"]
    return list(metadata["signature_def"]["signature_def"]["serving_default"]["inputs"])


@pytest.mark.tfs("real-curl", "rest-content-type-in")
def test_curl_asks(served: Server) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    # With -d, curl says that it sends a form.
    asked = [curl, "-sS", "-d", '{"instances": [1.0, 2.0, 5.0]}', served.url("/v1/models/half_plus_two:predict")]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert done.stdout == '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'


@pytest.mark.tfs("tflite-plain", "tflite-metadata", "tflite-resize", "tflite-prefer", "flags-tflite")
@pytest.mark.parametrize(("model", "x", "y"), [("lite_plain", "x", "y"), ("lite_metadata", "input", "answer")])
def test_tflite_files_serve_and_take_any_shape(
    models: Path, tmp_path: Path, start: Callable[..., Server], model: str, x: str, y: str
) -> None:
    base = put(models, model, 1, tmp_path / "lite")
    server = start("--model_name=lite", f"--model_base_path={base}", "--prefer_tflite_model=true")
    assert server.predicted("lite", 1.0, 2.0, 5.0) == [2.5, 3.0, 4.5]
    for shape in ([1], [2], [1, 1], [2, 1]):
        count = shape[0]
        answer = server.predict("lite", **{x: floats([2.0] * count, shape)})
        assert not isinstance(answer, Refusal), (shape, answer)
        assert list(answer.outputs[y].float_val) == [3.0] * count
        assert [dim.size for dim in answer.outputs[y].tensor_shape.dim] == shape
