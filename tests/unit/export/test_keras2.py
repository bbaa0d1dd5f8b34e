"""Models of Keras 2, as tf-keras has them: the same names, for inference, and tf-keras only where the model is one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.export import export

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

pytestmark = pytest.mark.tensorflow

ROWS = np.random.default_rng(1).random((8, 4)).astype(np.float32)


def asked(path: Path, **inputs: Any) -> dict[str, Any]:
    loaded = tf.saved_model.load(str(path))
    outputs = loaded.signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def test_a_model_of_keras_2_is_exported_for_inference_under_the_names_of_keras_3(tmp_path: Path) -> None:
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [tf_keras.Input((4,), name="x"), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(3, "softmax")]
    )
    model.layers[0].moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    exported = export(model, tmp_path / "m", warm_up=ROWS)
    signature = exported.signatures["serving_default"]
    assert (list(signature.inputs), list(signature.outputs)) == (["x"], ["probabilities"])
    assert exported.comparisons["serving_default"].against == "predict"
    assert np.allclose(asked(tmp_path / "m", x=ROWS)["probabilities"], model.predict(ROWS, verbose=0), atol=1e-6)


def test_dictionaries_and_automatic_names_of_keras_2(tmp_path: Path) -> None:
    a, b = tf_keras.Input((2,), name="a"), tf_keras.Input((2,), name="b")
    model = tf_keras.Model({"b": b, "a": a}, {"sum": a + b, "half": a / 2})
    signature = export(model, tmp_path / "m").signatures["serving_default"]
    assert (list(signature.inputs), list(signature.outputs)) == (["a", "b"], ["half", "sum"])
    assert asked(tmp_path / "m", a=np.ones((1, 2), "f"), b=np.zeros((1, 2), "f"))["half"].tolist() == [[0.5, 0.5]]
    plain = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=(4,))])
    signature = export(plain, tmp_path / "n").signatures["serving_default"]
    assert (list(signature.inputs), list(signature.outputs)) == (["input"], ["output"])


def test_a_model_that_is_none_of_keras_2_does_not_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tf_keras")
    export((lambda x: x + 1, [tf.TensorSpec([None], tf.float32, "x")]), tmp_path / "m")
    assert "tf_keras" not in sys.modules
