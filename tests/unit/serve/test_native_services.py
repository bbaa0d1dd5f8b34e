"""gRPC's own services on the compiled data plane, asked by gRPC's own clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool

from taxiway.serve.server import NativeDataPlane
from taxiway.settings import ServerSettings

pytest.importorskip("taxiway._server", reason="the extension is not built: make setup")
health_pb2: Any = pytest.importorskip("grpc_health.v1.health_pb2", reason="grpcio-health-checking is not installed")
reflection: Any = pytest.importorskip(
    "grpc_reflection.v1alpha.proto_reflection_descriptor_database", reason="grpcio-reflection is not installed"
)

LONG_SECONDS = 60.0
SERVING, NOT_SERVING = 1, 2
READY = {"models": {}, "labels_used": False, "ready": True, "reason": ""}
SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "tensorflow.ProfilerService",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
    "taxiway.v1.FeedbackService",
}


def plane(**changes: Any) -> NativeDataPlane:
    settings = {"rest_port": -1, "grpc_port": 0, "io_threads": 1, "compute_threads": 1} | changes
    return NativeDataPlane(ServerSettings(**settings))


@pytest.fixture
def native() -> Iterator[NativeDataPlane]:
    one = plane()
    yield one
    one.stop(LONG_SECONDS)


@pytest.fixture
def channel(native: NativeDataPlane) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(native.start()["grpc"]) as one:
        yield one


def check(channel: grpc.Channel, service: str = "") -> int:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    return int(call(health_pb2.HealthCheckRequest(service=service), timeout=LONG_SECONDS).status)


def watch(channel: grpc.Channel, service: str = "") -> Any:
    call = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    return call(health_pb2.HealthCheckRequest(service=service), timeout=LONG_SECONDS)


@pytest.mark.tfs("grpc-health")
def test_health_follows_the_first_ready_table_and_stays(native: NativeDataPlane, channel: grpc.Channel) -> None:
    assert check(channel) == NOT_SERVING
    native.publish(READY)
    assert [check(channel, name) for name in ("", "ModelService", "PredictionService")] == [SERVING] * 3
    native.publish(READY | {"ready": False, "reason": "a model loads"})
    assert check(channel) == SERVING


@pytest.mark.tfs("grpc-health")
def test_an_unknown_service_has_no_health(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        check(channel, "tensorflow.serving.ModelService")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    stream = watch(channel, "other")
    assert next(stream).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    stream.cancel()


def test_who_watches_sees_each_change_and_the_end(native: NativeDataPlane, channel: grpc.Channel) -> None:
    stream = watch(channel)
    assert next(stream).status == NOT_SERVING
    native.publish(READY)
    assert next(stream).status == SERVING
    assert native.stop(LONG_SECONDS)  # a watcher does not hold the server up
    with pytest.raises(grpc.RpcError) as ended:
        list(stream)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.tfs("grpc-health")
def test_health_can_be_off() -> None:
    native = plane(grpc_health=False, grpc_profiler=False)
    with grpc.insecure_channel(native.start()["grpc"]) as channel:
        for call in (lambda: check(channel), lambda: next(watch(channel))):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        services = set(reflection.ProtoReflectionDescriptorDatabase(channel).get_services())
    native.stop(LONG_SECONDS)
    assert services == SERVICES - {"grpc.health.v1.Health", "tensorflow.ProfilerService"}


@pytest.mark.tfs("grpc-reflection")
def test_reflection_describes_every_service(channel: grpc.Channel) -> None:
    database = reflection.ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("tensorflow.serving.PredictionService")
    assert {method.name for method in service.methods} == {
        "Classify", "Regress", "Predict", "MultiInference", "GetModelMetadata",
    }  # fmt: skip
    inputs = service.methods_by_name["Predict"].input_type.fields_by_name["inputs"].message_type
    value = inputs.fields_by_name["value"].message_type if inputs else None
    assert value is not None and value.full_name == "tensorflow.TensorProto"
    models = pool.FindServiceByName("tensorflow.serving.ModelService")
    assert models.file.name == "tensorflow_serving/apis/model_service.proto"
    assert "HandleReloadConfigRequest" in models.methods_by_name
    profiler = pool.FindServiceByName("tensorflow.ProfilerService")
    assert set(profiler.methods_by_name) == {"Profile", "Terminate", "Monitor"}


def test_reflection_knows_files_by_name_and_says_what_it_has_not(channel: grpc.Channel) -> None:
    database = reflection.ProtoReflectionDescriptorDatabase(channel)
    name = "tensorflow_serving/apis/predict.proto"
    assert database.FindFileByName(name).name == name
    for missing in (database.FindFileByName, database.FindFileContainingSymbol):
        with pytest.raises(KeyError):
            missing("no.such.thing")


def test_reflection_of_v1_answers_alike(channel: grpc.Channel) -> None:
    from grpc_reflection.v1alpha import reflection_pb2

    call = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    questions = [reflection_pb2.ServerReflectionRequest(list_services=""), reflection_pb2.ServerReflectionRequest()]
    listed, refused = call(iter(questions), timeout=LONG_SECONDS)
    assert {service.name for service in listed.list_services_response.service} == SERVICES
    assert refused.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
