"""Writes the models that the runtimes' tests load: `make.py DIRECTORY`.

Every model is a directory with a SavedModel, a `model.tflite`, or both. The directory appears by rename when all of
them are there. What each computes is written in `crates/taxiway-engine/src/conformance/models.rs`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from flatbuffers import flexbuffers
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

v1 = tf.compat.v1

Signature = Callable[..., dict[str, Any]]


def spec(name: str, shape: list[int | None] | None, dtype: Any = tf.float32) -> Any:
    return tf.TensorSpec(shape, dtype, name)


def save(directory: Path, specs: list[Any], compute: Signature, state: dict[str, Any] | None = None) -> None:
    """Saves `compute` as the signature `serving_default`; `state` is what it reads besides its arguments."""
    module = tf.Module()
    for name, value in (state or {}).items():
        setattr(module, name, value)
    function = tf.function(compute, input_signature=specs)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": function})


def convert(directory: Path, keys: list[str], target: Path | None = None) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(directory), signature_keys=keys)
    (target or directory).joinpath("model.tflite").write_bytes(converter.convert())


def half_plus_two(root: Path) -> None:
    half, two = tf.Variable(0.5), tf.Variable(2.0)
    save(root / "half_plus_two", [spec("x", [None])], lambda x: {"y": x * half + two}, {"half": half, "two": two})
    convert(root / "half_plus_two", ["serving_default"])


def several(root: Path) -> None:
    def compute(a: Any, b: Any, scale: Any) -> dict[str, Any]:
        return {"both": tf.concat([a, b], 1), "scaled": a * scale, "sum": tf.reduce_sum(b, 1)}

    save(root / "several", [spec("a", [None, 2]), spec("b", [None, 3]), spec("scale", [])], compute)
    convert(root / "several", ["serving_default"])


def scalars(root: Path) -> None:
    save(root / "scalars", [spec("x", [])], lambda x: {"y": x * 3.0})
    convert(root / "scalars", ["serving_default"])


def types(root: Path) -> None:
    def compute(count: Any, flag: Any, pixel: Any) -> dict[str, Any]:
        inverse = tf.cast(255 - tf.cast(pixel, tf.int32), tf.uint8)
        return {"inverse": inverse, "next": count + 1, "unlike": tf.logical_not(flag)}

    specs = [spec("count", [None], tf.int64), spec("flag", [None], tf.bool), spec("pixel", [None], tf.uint8)]
    save(root / "types", specs, compute)
    convert(root / "types", ["serving_default"])


def product(root: Path) -> None:
    weights = tf.Variable([[1.0], [10.0]])
    save(root / "product", [spec("x", [None, 2])], lambda x: {"y": x @ weights}, {"weights": weights})
    convert(root / "product", ["serving_default"])


def strings(root: Path) -> None:
    """Every string twice and its length; and its place in a table, which an initialiser fills."""
    initializer = tf.lookup.KeyValueTensorInitializer(["one", "two"], [1, 2], tf.string, tf.int64)
    table = tf.lookup.StaticHashTable(initializer, -1)

    def compute(text: Any) -> dict[str, Any]:
        return {
            "length": tf.strings.length(text),
            "place": table.lookup(text),
            "twice": tf.strings.join([text, text]),
        }

    save(root / "strings", [spec("text", [None], tf.string)], compute, {"table": table})


def any_rank(root: Path) -> None:
    save(root / "any_rank", [spec("x", None)], lambda x: {"y": x * 2.0})


def counter(root: Path) -> None:
    total = tf.Variable(0, dtype=tf.int64)
    save(root / "counter", [spec("by", [], tf.int64)], lambda by: {"total": total.assign_add(by)}, {"total": total})


def keras_3(root: Path) -> None:
    """Saved by tf.saved_model.save, which restores copies of the variables that the signature reads."""
    import keras

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    tf.saved_model.save(model, str(root / "keras_3"))
    model.export(str(root / "keras_3_exported"), verbose=False)


def loop(root: Path) -> None:
    """Two to the power of n, in a loop; and a branch."""

    def compute(n: Any) -> dict[str, Any]:
        power = tf.constant(1, tf.int64)
        for _ in tf.range(n):
            power = power * 2
        return {"power": power, "parity": tf.cond(n % 2 == 0, lambda: "even", lambda: "odd")}

    save(root / "loop", [spec("n", [], tf.int64)], compute)


def v1_model(directory: Path, build: Callable[[], tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Saves a graph as TensorFlow 1 did."""
    with v1.Graph().as_default(), v1.Session() as session:
        inputs, outputs = build()
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(directory))
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {alias: info(tensor) for alias, tensor in inputs.items()},
            {alias: info(tensor) for alias, tensor in outputs.items()},
            "tensorflow/serving/predict",
        )
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def reference_variables(root: Path) -> None:
    """A placeholder of one column, reference variables, old control flow, and an output that is the input."""

    def build() -> tuple[dict[str, Any], dict[str, Any]]:
        x = v1.placeholder(tf.float32, [None, 1], "x")
        slope = v1.get_variable("slope", initializer=0.5, use_resource=False)
        branch = v1.cond(tf.size(x) > 0, lambda: x * slope, lambda: x)
        return {"x": x}, {"x": x, "y": v1.identity(branch + 2.0, "y")}

    v1.disable_control_flow_v2()
    v1_model(root / "reference_variables", build)
    v1.enable_control_flow_v2()


def old_counter(root: Path) -> None:
    """Signatures whose outputs are references, as TensorFlow 1 had them, two without inputs; one names no tensor."""
    with v1.Graph().as_default(), v1.Session() as session:
        total = v1.get_variable("total", initializer=0.0, use_resource=False)
        step = v1.placeholder(tf.float32, [], "step")
        info = v1.saved_model.utils.build_tensor_info

        def signature(output: Any, **inputs: Any) -> Any:
            ends = {alias: info(tensor) for alias, tensor in inputs.items()}, {"total": info(output)}
            return v1.saved_model.signature_def_utils.build_signature_def(*ends, "tensorflow/serving/predict")

        signatures = {
            "get": signature(total),
            "add": signature(v1.assign_add(total, 1.0)),
            "add_by": signature(v1.assign_add(total, step), step=step),
            "lost": signature(total),
        }
        signatures["lost"].outputs["total"].name = "gone:0"
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(root / "old_counter"))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def endless(root: Path) -> None:
    """Waits for a queue that nobody fills."""

    def build() -> tuple[dict[str, Any], dict[str, Any]]:
        x = v1.placeholder(tf.float32, [None], "x")
        queue = tf.queue.FIFOQueue(1, [tf.float32], [[]])
        return {"x": x}, {"y": v1.identity(x + queue.dequeue(), "y")}

    v1_model(root / "endless", build)


def digits(root: Path) -> None:
    """A network of 784, 100 and 10 units, with a LiteRT file beside it and one that stands alone."""
    random = np.random.default_rng(7)
    state = {
        "first": tf.Variable(random.normal(0, 0.05, (784, 100)).astype(np.float32)),
        "second": tf.Variable(random.normal(0, 0.1, (100, 10)).astype(np.float32)),
        "bias": tf.Variable(random.normal(0, 0.1, 100).astype(np.float32)),
    }

    def compute(image: Any) -> dict[str, Any]:
        hidden = tf.nn.relu(image @ state["first"] + state["bias"])
        return {"probabilities": tf.nn.softmax(hidden @ state["second"])}

    save(root / "digits", [spec("image", [None, 784])], compute, state)
    convert(root / "digits", ["serving_default"])
    (root / "digits_lite").mkdir()
    shutil.copy(root / "digits/model.tflite", root / "digits_lite/model.tflite")


def signatures(root: Path) -> None:
    """Three signatures in one LiteRT file, without a SavedModel beside it."""
    module = tf.Module()
    module.factor = tf.Variable(2.0)
    functions = {
        "double": tf.function(lambda x: {"y": x * module.factor}, input_signature=[spec("x", [None, 4])]),
        "total": tf.function(lambda x: {"sum": tf.reduce_sum(x)}, input_signature=[spec("x", [None, 4])]),
        "square": tf.function(lambda v: {"w": v * v}, input_signature=[spec("v", [3])]),
    }
    source = root / "signatures_source"
    tf.saved_model.save(module, str(source), signatures=functions)
    (root / "signatures").mkdir()
    convert(source, list(functions), root / "signatures")


def positives(root: Path) -> None:
    """The places of the positive values: an output whose size depends on values."""
    save(root / "positives", [spec("x", [1000])], lambda x: {"places": tf.where(x > 0.0)})
    convert(root / "positives", ["serving_default"])


def tflite_plain(root: Path) -> None:
    """A file without signatures, whose extents are fixed, as old converters made them."""
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [1], "x")
        y = v1.identity(x * 0.5 + 2.0, "y")
        converter = v1.lite.TFLiteConverter.from_session(session, [x], [y])
        (root / "tflite_plain").mkdir()
        (root / "tflite_plain/model.tflite").write_bytes(converter.convert())


def tflite_metadata(root: Path) -> None:
    """The plain file with signature definitions in its metadata, as TensorFlow Serving reads them."""
    definitions = {"regress_x_to_y": ("inputs", "x", "outputs", "y:0", "regress")}
    definitions["serving_default"] = ("input", "x:0", "answer", "y", "predict")
    signatures = flexbuffers.Builder()
    with signatures.Map():
        for key, (input_alias, input_name, output_alias, output_name, method) in definitions.items():
            definition = meta_graph_pb2.SignatureDef(method_name=f"tensorflow/serving/{method}")
            for infos, alias, name in (
                (definition.inputs, input_alias, input_name),
                (definition.outputs, output_alias, output_name),
            ):
                infos[alias].name, infos[alias].dtype = name, tf.float32.as_datatype_enum
                infos[alias].tensor_shape.dim.add(size=-1)
            signatures.Key(key)
            signatures.Blob(definition.SerializeToString())
    with_metadata(root, "tflite_metadata", bytes(signatures.Finish()))
    with_metadata(root, "tflite_bad_metadata", b"this is no map")


def with_metadata(root: Path, name: str, definitions: bytes) -> None:
    model = flatbuffer_utils.convert_bytearray_to_object((root / "tflite_plain/model.tflite").read_bytes())
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(definitions, np.uint8)
    entry.name, entry.buffer = b"signature_defs_metadata", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    (root / name).mkdir()
    (root / name / "model.tflite").write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def spin(root: Path) -> None:
    """Counts to n, one at a time."""

    def compute(n: Any) -> dict[str, Any]:
        return {"counted": tf.while_loop(lambda i: i < n, lambda i: [i + 1], [tf.constant(0)])[0]}

    save(root / "spin", [spec("n", [], tf.int32)], compute)
    convert(root / "spin", ["serving_default"])


def compile_library(source: str, library: Path, *flags: str) -> None:
    library.parent.mkdir(exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-O1", str(Path(__file__).with_name(source)), "-o", str(library), *flags]
    subprocess.run(command, check=True)


def plus_one(root: Path) -> None:
    """A model with an operation of an op library, and the library."""
    library, packages = root / "op_libraries/plus_one.so", Path(tf.sysconfig.get_lib())
    compile_library("plus_one.c", library, f"-I{packages}/include", f"{packages}/libtensorflow_framework.so.2")
    ops = tf.load_op_library(str(library))
    save(root / "plus_one", [spec("x", [None])], lambda x: {"y": ops.taxiway_plus_one(x=x)})
    (root / "op_libraries/not_a_library.so").write_bytes(b"this is not a library")


def old_tensorflow(root: Path) -> None:
    """A library that says that it is TensorFlow 2.9.1."""
    compile_library("old_tensorflow.c", root / "old_tensorflow/libtensorflow_cc.so.2")


MODELS = [half_plus_two, several, scalars, types, product, strings, any_rank, counter, loop, reference_variables]
MODELS += [endless, old_counter, digits, signatures, positives, plus_one, old_tensorflow]
MODELS += [tflite_plain, tflite_metadata, spin, keras_3]


def main(target: Path) -> None:
    staging = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for make in MODELS:
        make(staging)
    (staging / "broken").mkdir()
    (staging / "broken/saved_model.pb").write_bytes(b"this is not a graph")
    (staging / "broken/model.tflite").write_bytes(b"this is not a flat model")
    staging.rename(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
