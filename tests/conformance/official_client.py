"""What clients of TensorFlow Serving run, with the official package: python -m … ADDRESS

It asks a server of the conformance models by the generated stubs, and prints the name of each call that was answered
as it should. A program of its own: the package imports TensorFlow.
"""

from __future__ import annotations

import sys
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

SECONDS = 60.0


def spec_is(spec: Any, signature: str) -> None:
    assert (spec.name, spec.signature_name, spec.version.value) == ("half_plus_two", signature, 123), spec


def ask(request: Any, signature: str) -> Any:
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", signature
    return request


def with_example(request: Any) -> Any:
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2.0)
    return request


def predict(stub: Any, models: Any) -> None:
    request = ask(predict_pb2.PredictRequest(), "serving_default")
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0, 4.0], shape=[2, 1]))
    request.output_filter.append("y")
    answer = stub.Predict(request, SECONDS)
    assert list(answer.outputs["y"].float_val) == [3.0, 4.0]
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [[3.0], [4.0]]
    spec_is(answer.model_spec, "serving_default")


def classify(stub: Any, models: Any) -> None:
    answer = stub.Classify(with_example(ask(classification_pb2.ClassificationRequest(), "classify_x_to_y")), SECONDS)
    (row,) = answer.result.classifications
    assert [(one.label, one.score) for one in row.classes] == [("", 3.0)]
    spec_is(answer.model_spec, "classify_x_to_y")


def regress(stub: Any, models: Any) -> None:
    answer = stub.Regress(with_example(ask(regression_pb2.RegressionRequest(), "regress_x_to_y")), SECONDS)
    assert [one.value for one in answer.result.regressions] == [3.0]
    spec_is(answer.model_spec, "regress_x_to_y")


def multi_inference(stub: Any, models: Any) -> None:
    request = with_example(inference_pb2.MultiInferenceRequest())
    for method in ("regress", "classify"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        ask(task, f"{method}_x_to_y")
    first, second = stub.MultiInference(request, SECONDS).results
    assert first.regression_result.regressions[0].value == 3.0
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    spec_is(second.model_spec, "classify_x_to_y")


def metadata(stub: Any, models: Any) -> None:
    request = ask(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]), "")
    answer = stub.GetModelMetadata(request, SECONDS)
    unpacked = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(unpacked)
    assert "regress_x_to_y" in unpacked.signature_def
    spec_is(answer.model_spec, "")


def status(stub: Any, models: Any) -> None:
    (one,) = models.GetModelStatus(ask(get_model_status_pb2.GetModelStatusRequest(), ""), SECONDS).model_version_status
    assert (one.version, one.state, one.status.error_code) == (123, one.AVAILABLE, 0)


def reload(stub: Any, models: Any) -> None:
    """A list with one model twice is refused, and changes nothing."""
    request = model_management_pb2.ReloadConfigRequest()
    for _ in range(2):
        request.config.model_config_list.config.add(name="m", base_path="/m", model_platform="tensorflow")
    try:
        models.HandleReloadConfigRequest(request, SECONDS)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "Illegal to list model m multiple times in config list"
    else:
        raise AssertionError("it was taken")
    status(stub, models)


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        for check in (predict, classify, regress, multi_inference, metadata, status, reload):
            check(stub, models)
            print(check.__name__, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
