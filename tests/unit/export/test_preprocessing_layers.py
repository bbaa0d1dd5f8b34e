"""Raw texts and numbers go in where the model's first layers prepare them, however deep these are; tables are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.export import export

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.tensorflow

ROWS = {
    "age": np.array([[20.0], [40.0], [60.0], [33.0]], np.float32),
    "city": np.array(["Bern", "Oslo", "Nowhere", "Bern"]),
    "note": np.array(["late again", "on time", "", "time and time again"]),
    "photo": np.random.default_rng(1).integers(0, 256, (4, 2, 2, 1)).astype(np.float32),
}


def prepared(inputs: dict[str, Any]) -> Any:
    """Each layer that Keras has for it, in a model inside the model."""
    layers = keras.layers
    ages = layers.Normalization(axis=None)
    ages.adapt(ROWS["age"])
    notes = layers.TextVectorization(output_mode="int", output_sequence_length=4)
    notes.adapt(tf.constant(ROWS["note"]))
    words = layers.GlobalAveragePooling1D()(layers.Embedding(8, 3)(notes(inputs["note"])))
    inner = keras.Sequential([layers.Rescaling(1 / 255), layers.Flatten()], name="pixels")
    city = layers.StringLookup(vocabulary=["Bern", "Oslo"], output_mode="one_hot")(inputs["city"])
    return layers.Concatenate()([ages(inputs["age"]), words, city, inner(inputs["photo"])])


def test_every_preprocessing_layer_answers_as_predict_with_several_inputs_and_outputs(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    inputs = {
        "age": keras.Input((1,), name="age"),
        "city": keras.Input((), name="city", dtype="string"),
        "note": keras.Input((), name="note", dtype="string"),
        "photo": keras.Input((2, 2, 1), name="photo"),
    }
    features = prepared(inputs)
    outputs = {"kind": keras.layers.Dense(3, "softmax")(features), "price": keras.layers.Dense(1)(features)}
    model = keras.Model(inputs, outputs)
    expected = model.predict_on_batch({name: tf.constant(value) for name, value in ROWS.items()})
    with_bytes = [tf.TensorSpec([None], tf.string, "city"), tf.TensorSpec([None], tf.string, "note")]

    def cheap(city: Any, note: Any) -> Any:
        rows = tf.shape(city)[0]
        given = {"age": tf.fill([rows, 1], 30.0), "photo": tf.zeros([rows, 2, 2, 1]), "city": city, "note": note}
        return {"price": model(given, training=False)["price"]}

    def whole(age: Any, city: Any, note: Any, photo: Any) -> Any:
        return model({"age": age, "city": city, "note": note, "photo": photo}, training=False)

    specs = [tf.TensorSpec(one.shape, one.dtype, name) for name, one in inputs.items()]
    module = tf.Module()
    module.model = model
    exported = export(
        module,
        tmp_path / "two",
        signatures={"serving_default": (whole, specs), "cheap": (cheap, with_bytes)},
        warm_up={"serving_default": ROWS, "cheap": {name: ROWS[name] for name in ("city", "note")}},
    )
    assert {name: one.rows for name, one in exported.comparisons.items()} == dict.fromkeys(
        ("serving_default", "cheap"), "warm-up"
    )
    export(model, tmp_path / "one", warm_up=ROWS)
    # The file alone, as a server has it: tables come out of it, not out of this process.
    for path in ("one", "two"):
        loaded = tf.saved_model.load(str(tmp_path / path)).signatures["serving_default"]
        found = loaded(**{name: tf.constant(value) for name, value in ROWS.items()})
        for name in ("kind", "price"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    assert "LookupTableFindV2" in (tmp_path / "one" / "saved_model.pb").read_bytes().decode("latin-1")
