"""An export's answers beside the model's own: which rows, which batch sizes, and what is said when there are none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.errors import FailedPrecondition
from taxiway.export import export

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.tensorflow

ROWS = np.random.default_rng(1).random((40, 4)).astype(np.float32)


def classifier(dtype: str = "float32") -> Any:
    return keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, "softmax", dtype=dtype)])


def function(body: Any, *shape: int | None, dtype: Any = tf.float32) -> Any:
    return (body, [tf.TensorSpec(shape, dtype, "x")])


def test_a_keras_model_is_compared_with_predict_at_three_sizes_and_all_warm_up_rows(tmp_path: Path) -> None:
    exported = export(classifier(), tmp_path / "m", warm_up=ROWS)
    found = exported.comparisons["serving_default"]
    assert (found.against, found.rows) == ("predict", "warm-up")
    assert list(found.differences["probabilities"]) == ["1", "3", "8", "32"]
    assert found.largest < 1e-6
    written = json.loads((tmp_path / "m/assets.extra/taxiway_export.json").read_bytes())
    assert written["comparison"]["serving_default"] == found.as_json()


def test_a_predict_of_its_own_is_what_counts(tmp_path: Path) -> None:
    class Shifted(keras.Model):  # type: ignore[name-defined, misc]
        def predict_step(self, data: Any) -> Any:
            return super().predict_step(data) + 0.5

    x = keras.Input((4,), name="x")
    with pytest.raises(FailedPrecondition, match=r"is 0\.5 away .*, 1 at a time"):
        export(Shifted(x, keras.layers.Dense(2)(x)), tmp_path / "m", warm_up=ROWS)


def test_few_rows_are_asked_again_and_a_difference_at_one_size_only_is_found(tmp_path: Path) -> None:
    def by_size(x: Any) -> Any:
        rows = int(x.shape[0] or 0)  # a trace sees no size
        return x * (1.25 if rows == 3 else 1.0)

    with pytest.raises(FailedPrecondition, match=r"is 0\.25 away .*, 3 at a time"):
        export(function(by_size, None), tmp_path / "m", warm_up=np.ones(2, np.float32))


def test_without_warm_up_rows_are_made_up(tmp_path: Path) -> None:
    found = export(classifier(), tmp_path / "m").comparisons["serving_default"]
    assert found.rows == "made up" and set(found.differences["probabilities"]) == {"1", "3", "8"}

    def two_faced(x: Any) -> Any:
        return x + (1.0 if tf.inside_function() else 0.0)

    with pytest.raises(FailedPrecondition, match="is 1 away"):
        export(function(two_faced, None), tmp_path / "n")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (function(lambda x: x * 2, None, None), r"none can be made up: the shape of 'x' is \[\?, \?\]"),
        (function(lambda x: tf.io.decode_raw(x, tf.float32), None, dtype=tf.string), "does not take made-up rows"),
        (function(lambda x: x + tf.random.uniform([]), None), "differently each time"),
    ],
)
def test_what_cannot_be_compared_is_exported_and_says_why(tmp_path: Path, model: Any, said: str) -> None:
    found = export(model, tmp_path / "m").comparisons["serving_default"]
    assert found.differences == {}
    assert re.search(said, found.not_compared)


def test_whole_numbers_may_differ_as_far_as_rounding_moves_them(tmp_path: Path) -> None:
    """A tie that rounding decides is nobody's fault; a digit that is wrong by itself is."""
    step = np.nextafter(np.float32(1), np.float32(2))

    def tied(x: Any) -> Any:
        mine = x * step if tf.inside_function() else x
        return tf.argmax(tf.stack([mine, tf.fill(tf.shape(x), step)], axis=1), axis=1)

    export(function(tied, None), tmp_path / "m", warm_up=np.ones(3, np.float32))

    def wrong(x: Any) -> Any:
        return tf.cast(x, tf.int32) + (1 if tf.inside_function() else 0)

    with pytest.raises(FailedPrecondition, match="is 1 away"):
        export(function(wrong, None), tmp_path / "n", warm_up=np.full(3, 0.5, np.float32))


def test_half_precision_is_held_to_what_it_has(tmp_path: Path) -> None:
    found = export(classifier("mixed_float16"), tmp_path / "m", warm_up=ROWS).comparisons["serving_default"]
    assert found.largest < 8e-3


def test_inputs_without_rows_are_compared_as_whole_requests(tmp_path: Path) -> None:
    found = export(function(lambda x: x + 1, 2), tmp_path / "m", warm_up=[{"x": [1.0, 2.0]}, {"x": [3.0, 4.0]}])
    assert set(found.comparisons["serving_default"].differences["output"]) == {"request 0", "request 1"}
