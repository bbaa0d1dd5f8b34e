"""Small models of every kind of signature, for the fuzzers: python -m tests.fuzz.models FOLDER

Written in a process of its own: TensorFlow in Python would be in the way of the data plane's library in the tests'.

    half_plus_two/1    x (float, [?]) → y = x / 2 + 2
    matrix/1           a (float, [?, 2]), b (int64, [?, 2]) → sum, product; and a signature without inputs, `seven`
    words/1            text (string, [?]) → upper, raw_bytes
    odd/1              half, flag, byte, wide (float16, bool, uint8, float64) → the same; complex (complex64)
    examples/1         TF1: classify, regress and predict over parse_example; MultiInference takes the first two
    lite/1             a TFLite file: x (float, [1, 2]) → y = x + 1
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf


def saved(folder: Path, name: str, module: Any, signatures: dict[str, Any]) -> None:
    tf.saved_model.save(module, str(folder / name / "1"), signatures)


def half_plus_two(folder: Path) -> None:
    module = tf.Module()
    module.a = tf.Variable(0.5)
    spec = tf.TensorSpec([None], tf.float32, "x")
    module.serve = tf.function(lambda x: {"y": module.a * x + 2.0}, input_signature=[spec])
    saved(folder, "half_plus_two", module, {"serving_default": module.serve})


def matrix(folder: Path) -> None:
    module = tf.Module()
    specs = [tf.TensorSpec([None, 2], tf.float32, "a"), tf.TensorSpec([None, 2], tf.int64, "b")]
    module.serve = tf.function(
        lambda a, b: {"sum": a + tf.cast(b, tf.float32), "product": tf.matmul(a, a, transpose_b=True)},
        input_signature=specs,
    )
    module.seven = tf.function(lambda: {"seven": tf.constant([7.0])}, input_signature=[])
    saved(folder, "matrix", module, {"serving_default": module.serve, "seven": module.seven})


def words(folder: Path) -> None:
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.string, "text")
    module.serve = tf.function(
        lambda text: {"upper": tf.strings.upper(text), "raw_bytes": tf.strings.join([text, "\xff"])},
        input_signature=[spec],
    )
    saved(folder, "words", module, {"serving_default": module.serve})


def odd(folder: Path) -> None:
    module = tf.Module()
    dtypes = {"half": tf.float16, "flag": tf.bool, "byte": tf.uint8, "wide": tf.float64}
    specs = [tf.TensorSpec(None, dtype, name) for name, dtype in dtypes.items()]
    module.serve = tf.function(
        lambda half, flag, byte, wide: {
            "half": half + half, "flag": tf.logical_not(flag), "byte": byte, "wide": tf.gather(wide, [0])
        },
        input_signature=specs,
    )  # fmt: skip
    module.complex = tf.function(
        lambda z: {"z": tf.math.conj(z)}, input_signature=[tf.TensorSpec([None], tf.complex64, "z")]
    )
    saved(folder, "odd", module, {"serving_default": module.serve, "complex": module.complex})


def examples(folder: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        serialised = v1.placeholder(tf.string, [None], "tf_example")
        features = {
            "x": v1.FixedLenFeature([1], tf.float32),
            "name": v1.VarLenFeature(tf.string),
            "n": v1.FixedLenFeature([1], tf.int64, default_value=[1]),
        }
        parsed = v1.parse_example(serialised, features)
        y = parsed["x"] * v1.get_variable("a", initializer=0.5) + tf.cast(parsed["n"], tf.float32)
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(y)[0], 1])
        scores = tf.concat([y, -y], axis=1)
        session.run(v1.global_variables_initializer())
        info = v1.saved_model.build_tensor_info
        definitions = v1.saved_model.signature_def_utils
        inputs = {"inputs": info(serialised)}
        classify = definitions.build_signature_def(
            inputs, {"classes": info(classes), "scores": info(scores)}, "tensorflow/serving/classify"
        )
        regress = definitions.build_signature_def(inputs, {"outputs": info(y)}, "tensorflow/serving/regress")
        predict = definitions.build_signature_def(inputs, {"y": info(y)}, "tensorflow/serving/predict")
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder / "examples" / "1"))
        signatures = {"serving_default": classify, "classify": classify, "regress": regress, "predict": predict}
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def lite(folder: Path) -> None:
    module = tf.Module()
    serve = tf.function(lambda x: {"y": x + 1.0}, input_signature=[tf.TensorSpec([1, 2], tf.float32, "x")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module)
    path = folder / "lite" / "1" / "model.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(converter.convert())


def main(folder: Path) -> None:
    for write in (half_plus_two, matrix, words, odd, examples, lite):
        write(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
