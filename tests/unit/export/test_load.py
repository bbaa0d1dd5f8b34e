"""Models out of Keras' files: by the Keras that wrote them, and a clear error for what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.errors import DataLoss, InvalidArgument, NotFound
from taxiway.export import load_keras
from taxiway.publish import publish

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.tensorflow

ROWS = np.ones((2, 3), np.float32)


def test_a_file_is_published_with_what_is_said_of_its_export(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, "softmax")])
    model.save(tmp_path / "m.keras")
    version = publish(tmp_path / "m.keras", "m", tmp_path / "models", classify=["no", "yes"])
    assert sorted(version.manifest.signatures) == ["classify", "serving_default"]
    assert version.manifest.lineage["keras_file"]["name"] == "m.keras"
    assert version.manifest.comparison["serving_default"]["against"] == "predict"


def test_a_file_of_keras_2_is_loaded_by_keras_2(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.Input((3,), name="x"), tf_keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    loaded = load_keras(tmp_path / "m.keras")
    assert isinstance(loaded, tf_keras.Model)
    assert np.allclose(loaded(ROWS), model(ROWS))


def test_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        publish(tmp_path / "none.keras", "m", tmp_path / "models")
    for name in ("m.keras", "m.h5"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(DataLoss, match="is no Keras file"):
            publish(tmp_path / name, "m", tmp_path / "models")

    class Mine(keras.layers.Layer):  # type: ignore[name-defined, misc]
        def call(self, x: Any) -> Any:
            return x

    code = keras.layers.Lambda(lambda x: x + 1)
    for number, layer in enumerate((Mine(), code)):
        path = tmp_path / f"{number}.keras"
        keras.Sequential([keras.Input((3,)), layer]).save(path)
        with pytest.raises(InvalidArgument, match=r"keras cannot be loaded: ") as caught:
            publish(path, "m", tmp_path / "models")
        assert "taxiway.publish(model, …)" in str(caught.value.hint)
    assert not (tmp_path / "models" / "m").exists()
