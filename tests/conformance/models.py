"""The models that TensorFlow Serving's users have, made by what they make them with: python -m … FOLDER

In a process of its own, so that TensorFlow is imported once and stands in nobody's way. Each is FOLDER/NAME/VERSION:

    half_plus_two/123, half_plus_three/123   TensorFlow 1: y = x / 2 + 2 or 3; predict, classify and regress
    counter/1                                TensorFlow 1: a variable; signatures without inputs
    functions/1                              TensorFlow 2: signatures of every kind
    keras3/1, keras2/1, mirrored/1           Keras: y = x + 1, by model.export, saved whole, saved under a strategy
    lite_plain/1, lite_metadata/1            TFLite: y = x / 2 + 2, without and with signatures in the metadata
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
CLASSIFY, REGRESS, PREDICT = (f"tensorflow/serving/{method}" for method in ("classify", "regress", "predict"))
LITE = Path(__file__).parents[2] / "crates" / "taxiway-runtimes" / "testdata" / "make.py"


def signature(inputs: dict[str, Any], outputs: dict[str, Any], method: str) -> Any:
    info = v1.saved_model.utils.build_tensor_info
    return v1.saved_model.signature_def_utils.build_signature_def(
        {alias: info(tensor) for alias, tensor in inputs.items()},
        {alias: info(tensor) for alias, tensor in outputs.items()},
        method,
    )


def save_graph(directory: Path, build: Callable[[], dict[str, Any]]) -> None:
    """Saves the graph and the signatures that ``build`` makes, as TensorFlow 1 did."""
    with v1.Graph().as_default(), v1.Session() as session:
        signatures = build()
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(directory))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def half_plus(number: float) -> Callable[[], dict[str, Any]]:
    def build() -> dict[str, Any]:
        examples = v1.placeholder(tf.string, [None], "tf_example")
        feature = tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0])
        parsed = v1.io.parse_example(examples, {"x": feature, "x2": feature})
        x = v1.identity(parsed["x"], "x")
        a, b = v1.get_variable("a", initializer=0.5), v1.get_variable("b", initializer=number)
        y = v1.identity(a * x + b, "y")
        y2 = v1.identity(a * parsed["x2"] + b, "y2")
        low_high = v1.where(y > 2.5, v1.fill(v1.shape(y), "high"), v1.fill(v1.shape(y), "low"))
        return {
            "serving_default": signature({"x": x}, {"y": y}, PREDICT),
            "other_method": signature({"x": x}, {"y": y}, "other/method"),
            "regress_x_to_y": signature({"inputs": examples}, {"outputs": y}, REGRESS),
            "regress_x2_to_y": signature({"inputs": examples}, {"outputs": y2}, REGRESS),
            "classify_x_to_y": signature({"inputs": examples}, {"scores": y}, CLASSIFY),
            "classify_labels": signature({"inputs": examples}, {"classes": low_high, "scores": y}, CLASSIFY),
        }

    return build


def counter() -> dict[str, Any]:
    count = v1.get_variable("counter", initializer=0.0, use_resource=False)
    delta = v1.placeholder_with_default(1.0, [], "delta")
    return {
        "get_counter": signature({}, {"output": v1.identity(count)}, PREDICT),
        "incr_counter": signature({}, {"output": v1.assign_add(count, 1.0)}, PREDICT),
        "incr_counter_by": signature({"delta": delta}, {"output": v1.assign_add(count, delta)}, PREDICT),
        "reset_counter": signature({}, {"output": v1.assign(count, 0.0)}, PREDICT),
    }


TYPES = {
    "f": tf.float32, "d": tf.float64, "i8": tf.int8, "i16": tf.int16, "i32": tf.int32, "i64": tf.int64,
    "u8": tf.uint8, "u32": tf.uint32, "u64": tf.uint64, "b": tf.bool, "s": tf.string,
}  # fmt: skip


def functions() -> tuple[Any, dict[str, Any]]:
    module = tf.Module()
    module.factor = tf.Variable(6.0)

    def spec(name: str, shape: Any = (None,), dtype: Any = tf.float32) -> Any:
        return tf.TensorSpec(shape, dtype, name)

    def function(body: Callable[..., dict[str, Any]], *specs: Any) -> Any:
        return tf.function(body, input_signature=specs)

    def spin(n: Any) -> dict[str, Any]:
        last = tf.cast(tf.reduce_max(n), tf.int64)
        counted = tf.while_loop(lambda i: i < last, lambda i: [i + 1], [tf.constant(0, tf.int64)])[0]
        return {"y": n + 0.0 * tf.cast(counted, tf.float32)}

    return module, {
        "serving_default": function(lambda x: {"y": module.factor * x}, spec("x", None)),
        "custom": function(lambda x: {"y": x + 2.0}, spec("x", None)),
        "two": function(lambda a, b: {"sum": a + b, "difference": a - b}, spec("a"), spec("b")),
        "with_default": function(lambda a, b: {"sum": a + b}, spec("a"), spec("b", [])),
        "scalar": function(lambda x: {"total": tf.reduce_sum(x)}, spec("x")),
        "uneven": function(lambda x: {"all": x, "one": x[:1]}, spec("x")),
        "text": function(lambda t: {"plain": t, "same_bytes": t}, spec("t", dtype=tf.string)),
        "half": function(lambda h: {"h": tf.identity(h)}, spec("h", dtype=tf.float16)),
        "to_half": function(lambda x: {"h": tf.cast(x, tf.float16)}, spec("x")),
        "matrix": function(lambda x: {"y": tf.matmul(x, [[1.0], [10.0]])}, spec("x", None)),
        "spin": function(spin, spec("n")),
        "types": _types(),
    }


def _types() -> Any:
    names = sorted(TYPES)

    @tf.function(input_signature=[tf.TensorSpec([None], TYPES[name], name) for name in names])  # type: ignore[untyped-decorator]
    def same(*given: Any) -> dict[str, Any]:
        return {name: tf.identity(value) for name, value in zip(names, given, strict=True)}

    return same


def main(folder: Path) -> None:
    # Before anything else is done with TensorFlow: a strategy over two devices needs two.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    mirrored(folder / "mirrored" / "1")
    for name, number in (("half_plus_two", 2.0), ("half_plus_three", 3.0)):
        save_graph(folder / name / "123", half_plus(number))
    save_graph(folder / "counter" / "1", counter)
    module, signatures = functions()
    tf.saved_model.save(module, str(folder / "functions" / "1"), signatures)
    add_default(folder / "functions" / "1" / "saved_model.pb")
    keras3(folder / "keras3" / "1")
    keras2(folder / "keras2" / "1")
    lite(folder)


def add_default(path: Path) -> None:
    """Gives the signature ``with_default`` a value for ``b``: 5."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    definition = saved.meta_graphs[0].signature_def["with_default"]
    definition.defaults["b"].CopyFrom(tf.make_tensor_proto(5.0, tf.float32))
    path.write_bytes(saved.SerializeToString())


def keras3(directory: Path) -> None:
    import keras

    x = keras.Input((1,), name="x")
    dense = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    keras.Model(x, dense(x)).export(str(directory), verbose=False)


def keras2(directory: Path) -> None:
    _sequential().save(str(directory), save_format="tf")


def mirrored(directory: Path) -> None:
    with tf.distribute.MirroredStrategy(devices=("/cpu:0", "/cpu:1")).scope():
        model = _sequential()
    tf.saved_model.save(model, str(directory))


def _sequential() -> Any:
    import tf_keras

    layers = tf_keras.layers
    dense = layers.Dense(1, kernel_initializer="ones", bias_initializer="ones", name="y")
    return tf_keras.Sequential([layers.Input((1,), name="x"), dense])


def lite(folder: Path) -> None:
    found = importlib.util.spec_from_file_location("lite_models", LITE)
    assert found is not None and found.loader is not None
    make = importlib.util.module_from_spec(found)
    found.loader.exec_module(make)
    with tempfile.TemporaryDirectory() as scratch:
        make.tflite_plain(Path(scratch))
        make.tflite_metadata(Path(scratch))
        for made, name in (("tflite_plain", "lite_plain"), ("tflite_metadata", "lite_metadata")):
            shutil.copytree(Path(scratch, made), folder / name / "1")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
