"""gRPC, with the project's own messages, which are the official ones field by field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from taxiway.wire import message
from tests.conformance.running import Refusal, Server, predict_request, put
from tests.waiting import PATIENCE_SECONDS


@pytest.mark.tfs("spec-choice", "spec-zero", "spec-labels", "spec-ready-word", "spec-missing", "err-empty-name")
def test_a_spec_names_a_version(served: Server) -> None:
    def asked(change: Callable[[Any], object]) -> Any:
        request = predict_request("half_plus_two", x=[2.0])
        change(request.model_spec)
        answer = served.call("PredictionService/Predict", request)
        return answer if isinstance(answer, Refusal) else answer.model_spec.version.value

    assert asked(lambda spec: None) == 123
    assert asked(lambda spec: setattr(spec.version, "value", 123)) == 123
    missing = "Servable not found for request: Specific(half_plus_two, 0)"
    assert asked(lambda spec: spec.version.SetInParent()) == Refusal("NOT_FOUND", missing)
    no_labels = Refusal("INVALID_ARGUMENT", "Unrecognized servable version label: canary")
    assert asked(lambda spec: setattr(spec, "version_label", "canary")) == no_labels
    unknown = Refusal("NOT_FOUND", "Servable not found for request: Latest(intentionally_missing_model)")
    assert asked(lambda spec: setattr(spec, "name", "intentionally_missing_model")) == unknown
    nameless = Refusal("INVALID_ARGUMENT", "ModelSpec has no name specified.")
    assert asked(lambda spec: setattr(spec, "name", "")) == nameless
    empty = served.call("PredictionService/Predict", message("tensorflow.serving.PredictRequest")())
    assert empty == Refusal("INVALID_ARGUMENT", "Missing ModelSpec")


@pytest.mark.tfs("predict-filter", "predict-filter-unknown", "predict-filter-twice", "predict-typed")
def test_outputs_are_filtered(served: Server) -> None:
    def outputs(*names: str) -> Any:
        request = predict_request("functions", "two", a=[3.0], b=[1.0])
        request.output_filter.extend(names)
        answer = served.call("PredictionService/Predict", request)
        return answer if isinstance(answer, Refusal) else {k: list(v.float_val) for k, v in answer.outputs.items()}

    assert outputs() == {"sum": [4.0], "difference": [2.0]}
    assert outputs("sum") == {"sum": [4.0]}
    unknown = outputs("z")
    assert unknown.code == "INVALID_ARGUMENT"
    assert unknown.text.startswith("output tensor alias not found in signature: z Outputs expected to be in the set {")
    assert outputs("sum", "sum") == Refusal("INVALID_ARGUMENT", "duplicate output tensor alias: sum")


@pytest.mark.tfs("predict-invalid-name", "predict-input-sizes", "predict-alias", "predict-defaults")
def test_inputs_of_other_names_are_refused(served: Server) -> None:
    refused = served.predict("functions", signature="with_default", a=[1.0], z=[1.0])
    assert refused == Refusal(
        "INVALID_ARGUMENT", "Inputs contains invalid name. Used request inputs: a, request input: a,z"
    )
    refused = served.predict("functions", signature="with_default", z=[1.0])
    alias = "Signature input alias: a(feed name: with_default_a:0) not found in request and no default value provided."
    sets = "Inputs expected to be in the request {z}, or default input alias set: b"
    assert refused == Refusal("INVALID_ARGUMENT", f"{alias} {sets}")
    refused = served.predict("half_plus_two")
    assert refused == Refusal(
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
    )


@pytest.mark.tfs("predict-dtype")
def test_another_type_is_refused_in_tensorflows_words(served: Server) -> None:
    wrong = message("tensorflow.TensorProto")(dtype=3, int_val=[1])
    wrong.tensor_shape.dim.add(size=1)
    refused = served.predict("half_plus_two", x=wrong)
    assert refused == Refusal("INVALID_ARGUMENT", "Expects arg[0] to be float but int32 is provided")


@pytest.mark.tfs("grpc-deadline")
def test_a_deadline_bounds_a_run(served: Server) -> None:
    refused = served.predict("functions", timeout=0.5, signature="spin", n=[1e15])
    assert refused.code == "DEADLINE_EXCEEDED"
    assert served.predicted("functions", 1.0) == [6.0]


@pytest.mark.tfs("spec-metadata-echo", "rpc-metadata", "rpc-metadata-errors")
def test_metadata_are_a_map_of_signatures(served: Server) -> None:
    request = message("tensorflow.serving.GetModelMetadataRequest")(metadata_field=["signature_def"])
    request.model_spec.name = "half_plus_two"
    answer = served.call("PredictionService/GetModelMetadata", request)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half_plus_two", 123, "")
    (any_,) = answer.metadata.values()
    signatures = message("tensorflow.serving.SignatureDefMap").FromString(any_.value).signature_def
    assert signatures["classify_labels"].method_name == "tensorflow/serving/classify"
    request.metadata_field.append("x")
    refused = served.call("PredictionService/GetModelMetadata", request)
    assert refused == Refusal("INVALID_ARGUMENT", "Metadata field x is not supported")


@pytest.mark.tfs("rpc-status", "rpc-status-one", "rpc-status-missing")
def test_status_is_of_all_versions_or_of_one(models: Path, tmp_path: Path, start: Callable[..., Server]) -> None:
    base = tmp_path / "half"
    for version in (3, 1, 2):
        put(models, "half_plus_two", 123, base, version)
    (tmp_path / "models.config").write_text(
        f'model_config_list: {{ config: {{ name: "half", base_path: "{base}", model_platform: "tensorflow", '
        "model_version_policy: { specific: { versions: [1, 3, 9] } } } }"
    )
    server = start(f"--model_config_file={tmp_path / 'models.config'}")

    def listed(**spec: Any) -> Any:
        request = message("tensorflow.serving.GetModelStatusRequest")()
        request.model_spec.name = spec.pop("name", "half")
        for field, value in spec.items():
            target = request.model_spec.version if field == "version" else request.model_spec
            setattr(target, "value" if field == "version" else field, value)
        answer = server.call("ModelService/GetModelStatus", request)
        if isinstance(answer, Refusal):
            return answer
        return [(one.version, one.state, one.status.error_code) for one in answer.model_version_status]

    assert listed() == listed(version_label="none") == [(3, 30, 0), (1, 30, 0)]
    assert listed(version=1) == [(1, 30, 0)]
    assert listed(version=2) == Refusal("NOT_FOUND", "Could not find version 2 of model half")
    assert listed(name="nope") == Refusal("NOT_FOUND", "Could not find any versions of model nope")


@pytest.mark.tfs("predict-method-name", "examples-method", "flags-behaviour", "predict-typed")
def test_two_flags_change_behaviour(models: Path, start: Callable[..., Server]) -> None:
    server = start(
        "--model_name=half", f"--model_base_path={models / 'half_plus_two'}",
        "--enable_signature_method_name_check", "--enable_serialization_as_tensor_content=true",
    )  # fmt: skip
    output = server.predict("half", x=[2.0]).outputs["y"]
    assert (output.tensor_content, list(output.float_val)) == (b"\x00\x00\x40\x40", [])
    methods = ", ".join(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))
    text = f"Expected prediction signature method_name to be one of {{{methods}}}. Was: other/method"
    assert server.predict("half", signature="other_method", x=[2.0]) == Refusal("INTERNAL", text)
    request = message("tensorflow.serving.ClassificationRequest")()
    request.model_spec.name, request.model_spec.signature_name = "half", "regress_x_to_y"
    request.input.example_list.examples.add()
    assert server.call("PredictionService/Classify", request) == Refusal(
        "INVALID_ARGUMENT",
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/regress",
    )


@pytest.mark.tfs("grpc-reflection", "grpc-prediction", "grpc-model", "grpc-session")
def test_reflection_lists_the_services(served: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{served.grpc_port}") as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = set(database.get_services())
        assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} <= services
        file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
        methods = {method.name for service in file.service for method in service.method}
        assert methods == {"Classify", "Regress", "Predict", "MultiInference", "GetModelMetadata"}
        call = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun", bytes, bytes)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=PATIENCE_SECONDS)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
