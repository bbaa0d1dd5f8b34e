"""Our messages against those of TensorFlow and of TensorFlow Serving's own client package, field by field."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

# Written by a process of its own: the package imports TensorFlow.
THEIRS = """
import importlib, pkgutil, sys
import tensorflow_serving.apis, tensorflow_serving.config
from google.protobuf.descriptor_pb2 import FileDescriptorSet
names = [package.__name__ + "." + module.name for package in (tensorflow_serving.apis, tensorflow_serving.config)
         for module in pkgutil.iter_modules(package.__path__) if module.name.endswith("_pb2")]
names += ["tensorflow.core.protobuf." + name + "_pb2" for name in ("config", "meta_graph", "saved_model")]
names += ["tensorflow.tsl.profiler.protobuf." + name + "_pb2" for name in ("profiler_options", "xplane")]
found = {}
def take(file):
    if file.name not in found:
        for one in file.dependencies:
            take(one)
        found[file.name] = file.serialized_pb
for name in names:
    take(importlib.import_module(name).DESCRIPTOR)
files = FileDescriptorSet()
for data in found.values():
    files.file.add().ParseFromString(data)
sys.stdout.buffer.write(files.SerializeToString())
"""
Types = dict[str, DescriptorProto | EnumDescriptorProto]
# A field of these stands on both sides under one number, with more or less of what it holds.
SHAPE = ("number", "type", "label", "type_name", "proto3_optional")


def types_of(data: bytes) -> Types:
    def walk(
        prefix: str, messages: list[DescriptorProto], enums: list[EnumDescriptorProto]
    ) -> Iterator[tuple[str, object]]:
        for enum in enums:
            yield f"{prefix}.{enum.name}", enum
        for message in messages:
            yield f"{prefix}.{message.name}", message
            yield from walk(f"{prefix}.{message.name}", list(message.nested_type), list(message.enum_type))

    return {
        name: one  # type: ignore[misc]
        for file in FileDescriptorSet.FromString(data).file
        for name, one in walk(file.package, list(file.message_type), list(file.enum_type))
        if file.package.startswith("tensorflow")
    }


def ours() -> Types:
    return types_of(files("taxiway.wire").joinpath("descriptors.binpb").read_bytes())


@pytest.fixture(scope="module")
def theirs() -> Types:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", THEIRS], capture_output=True, check=True, timeout=120, env=environment)
    return types_of(done.stdout)


# Not in any package: compared with TensorFlow Serving's sources by hand.
UNPUBLISHED = {
    "tensorflow.MonitorRequest",
    "tensorflow.MonitorResponse",
    "tensorflow.ProfileRequest",
    "tensorflow.ProfileResponse",
    "tensorflow.ProfileToolData",
    "tensorflow.TerminateRequest",
    "tensorflow.TerminateResponse",
    "tensorflow.serving.BatchingParameters",
    "tensorflow.serving.ModelWarmupOptions",
    "tensorflow.serving.MonitoringConfig",
    "tensorflow.serving.PrometheusConfig",
    "tensorflow.serving.SSLConfig",
    "tensorflow.serving.SavedModelBundleSourceAdapterConfig",
    "tensorflow.serving.SessionBundleConfig",
}


def shape(field: FieldDescriptorProto) -> dict[str, object]:
    if field.type == field.TYPE_ENUM:  # the same bytes as an int32, which is what a code is to us in places
        field = FieldDescriptorProto(number=field.number, type=field.TYPE_INT32, label=field.label)
    return {name: getattr(field, name) for name in SHAPE}


def test_every_message_of_ours_is_theirs(theirs: Types) -> None:
    assert {name for name in ours() if name not in theirs} <= UNPUBLISHED


def test_every_field_of_ours_is_theirs(theirs: Types) -> None:
    compared = 0
    for name, message in ours().items():
        their = theirs.get(name)
        if not isinstance(message, DescriptorProto) or not isinstance(their, DescriptorProto):
            continue
        fields = {field.name: shape(field) for field in their.field}
        for field in message.field:
            assert fields.get(field.name) == shape(field), f"{name}.{field.name}"
            compared += 1
    assert compared > 130


def test_every_enum_value_of_ours_is_theirs(theirs: Types) -> None:
    for name, enum in ours().items():
        their = theirs.get(name)
        if isinstance(enum, EnumDescriptorProto) and isinstance(their, EnumDescriptorProto):
            values = {value.name: value.number for value in their.value}
            assert {value.name: value.number for value in enum.value}.items() <= values.items(), name
