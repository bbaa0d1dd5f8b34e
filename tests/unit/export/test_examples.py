"""Signatures that take tf.Examples: Classify, Regress, and predict, in front of a Keras model."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.errors import InvalidArgument
from taxiway.export import Classify, Examples, Regress, export
from taxiway.export.examples import serialized
from taxiway.wire import messages
from taxiway.wire.records import WARM_UP_FILE, read_records

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.tensorflow

ROWS = np.random.default_rng(1).random((10, 2, 2)).astype(np.float32)


@functools.cache
def model(units: int = 3, activation: str = "softmax") -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential([keras.Input((2, 2), name="image"), layers.Flatten(), layers.Dense(units, activation)])


def ask(path: Path, signature: str, **inputs: Any) -> dict[str, Any]:
    answer = tf.saved_model.load(str(path)).signatures[signature](
        **{name: tf.constant(value) for name, value in inputs.items()}
    )
    return {name: value.numpy() for name, value in answer.items()}


def examples(rows: Any = ROWS, name: str = "image") -> Any:
    return serialized({name: tf.io.FixedLenFeature([2, 2], tf.float32)}, {name: rows})


def test_classify_names_the_classes_and_is_warmed_up_as_it_is_asked(tmp_path: Path) -> None:
    mine = model()
    exported = export(mine, tmp_path / "m", warm_up=ROWS, classify=["a", "b", "c"])
    signature = exported.signatures["classify"]
    assert signature.method_name == "tensorflow/serving/classify"
    assert (list(signature.inputs), list(signature.outputs)) == (["inputs"], ["classes", "scores"])
    answer = ask(tmp_path / "m", "classify", inputs=examples())
    assert answer["classes"].tolist() == [[b"a", b"b", b"c"]] * 10
    assert np.allclose(answer["scores"], mine.predict(ROWS, verbose=0), atol=1e-6)
    assert exported.comparisons["classify"].against == "signature serving_default"
    logs = [messages.PredictionLog.FromString(one) for one in read_records(tmp_path / "m" / WARM_UP_FILE)]
    batches = [len(log.classify_log.request.input.example_list.examples) for log in logs]
    assert batches == [0] * 9 + [1] * 8 + [10] and exported.warm_up_requests == 18


def test_a_sigmoid_is_two_classes_and_a_number_is_regressed(tmp_path: Path) -> None:
    mine = model(1, "sigmoid")
    exported = export(mine, tmp_path / "m", classify=["no", "yes"], regress=True, examples=True)
    answer = ask(tmp_path / "m", "classify", inputs=examples())
    chance = mine.predict(ROWS, verbose=0)
    assert np.allclose(answer["scores"], np.hstack([1 - chance, chance]), atol=1e-6)
    assert np.allclose(ask(tmp_path / "m", "regress", inputs=examples())["outputs"], chance, atol=1e-6)
    assert exported.signatures["regress"].method_name == "tensorflow/serving/regress"
    assert np.allclose(ask(tmp_path / "m", "examples", examples=examples())["probabilities"], chance, atol=1e-6)
    assert exported.signatures["examples"].method_name == "tensorflow/serving/predict"
    assert exported.comparisons["examples"].rows == "made up"


def test_inputs_of_every_kind_come_out_of_an_example(tmp_path: Path) -> None:
    words = tf.Module()
    words.table = keras.layers.StringLookup(vocabulary=["x", "y"])

    def score(age: Any, tags: Any, ok: Any) -> Any:
        whole = tf.reduce_sum(tf.cast(words.table(tags), tf.float32), axis=1)
        return {"sum": tf.cast(age, tf.float32) + whole + tf.cast(ok, tf.float32), "age": age}

    specs = [
        tf.TensorSpec([None], tf.uint8, "age"),
        tf.TensorSpec([None, 2], tf.string, "tags"),
        tf.TensorSpec([None], tf.bool, "ok"),
    ]
    rows = {"age": np.array([7], np.uint8), "tags": np.array([["x", "y"]]), "ok": np.array([True])}
    export(
        words,
        tmp_path / "m",
        signatures={"serving_default": (score, specs)},
        warm_up=rows,
        regress=Regress(output="sum"),
    )
    example = tf.train.Example()
    example.features.feature["age"].int64_list.value.append(7)
    example.features.feature["tags"].bytes_list.value.extend([b"x", b"y"])
    example.features.feature["ok"].int64_list.value.append(1)
    found = ask(tmp_path / "m", "regress", inputs=[example.SerializeToString()])["outputs"]
    assert found.tolist() == [7 + (1 + 2) + 1]


def test_features_may_be_flat_and_have_defaults(tmp_path: Path) -> None:
    mine = model()
    feature = tf.io.FixedLenFeature([4], tf.float32, [0.0] * 4)
    export(mine, tmp_path / "m", examples=Examples({"image": feature}, name="rows"))
    found = ask(tmp_path / "m", "rows", examples=[b""])["probabilities"]
    assert np.allclose(found, mine.predict(np.zeros((1, 2, 2)), verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"classify": ["a", "b"]}, "There are 2 labels and 3 classes in 'probabilities'"),
        ({"classify": ["a", "b", "a"]}, "label 'a' is there twice"),
        ({"classify": "abc"}, "does not say which signature"),
        ({"classify": Classify(output="scores")}, "no output 'scores'; it has probabilities"),
        ({"classify": Classify(of="other")}, "no signature 'other'"),
        ({"classify": Classify(name="serving_default")}, "two signatures 'serving_default'"),
        ({"regress": True}, r"one number a row; 'probabilities' is \[\?, 3\]"),
        ({"examples": {"picture": None}}, "features picture are not the inputs of 'serving_default': image"),
        ({"examples": {"image": tf.io.VarLenFeature(tf.float32)}}, "rows of different lengths"),
        (
            {"examples": {"image": tf.io.FixedLenFeature([3], tf.float32)}},
            r"float32 \[3\]; the input is float32 \[\?, 2, 2\]",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        export(model(), tmp_path / "m", **wish)
    assert not (tmp_path / "m").exists()


def test_an_input_without_a_fixed_shape_is_in_no_example(tmp_path: Path) -> None:
    function = (lambda x: tf.reduce_sum(x, axis=1), [tf.TensorSpec([None, None], tf.float32, "x")])
    with pytest.raises(InvalidArgument, match=r"cannot hold a row of 'x': its shape is \[\?, \?\]"):
        export(function, tmp_path / "m", examples=True)
