"""Exporting with the real TensorFlow: what is on disk answers as the model does, or there is no export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from taxiway.export import export
from taxiway.wire import messages
from taxiway.wire.records import WARM_UP_FILE, read_records
from taxiway.wire.tensors import array_of

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.tensorflow

IMAGES = np.random.default_rng(1).random((40, 4, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.backend.clear_session()


def answers(path: Path, **inputs: Any) -> dict[str, Any]:
    loaded = tf.saved_model.load(str(path))
    outputs = loaded.signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def classifier(*first: Any, activation: str = "softmax") -> Any:
    layers = [*first, keras.layers.Flatten(), keras.layers.Dense(3, activation=activation)]
    return keras.Sequential([keras.Input((4, 4), name="image"), *layers])


def test_a_keras_model_has_names_that_people_know(tmp_path: Path) -> None:
    model = classifier()
    exported = export(model, tmp_path / "m", warm_up=IMAGES)
    signature = exported.signatures["serving_default"]
    assert list(signature.inputs) == ["image"]
    assert list(signature.outputs) == ["probabilities"]
    assert signature.inputs["image"].shape == (None, 4, 4)
    assert np.allclose(answers(tmp_path / "m", image=IMAGES)["probabilities"], model.predict(IMAGES, verbose=0))


@pytest.mark.parametrize(
    ("layers", "outputs", "name"),
    [
        ([], None, "output"),
        ([], ["score"], "score"),
        ([keras.layers.Dense(1, name="price")], None, "price"),
    ],
)
def test_output_names(tmp_path: Path, layers: list[Any], outputs: list[str] | None, name: str) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), *layers])
    signature = export(model, tmp_path / "m", outputs=outputs).signatures["serving_default"]
    assert (list(signature.inputs), list(signature.outputs)) == (["input"], [name])


def test_several_inputs_and_outputs_keep_the_models_names(tmp_path: Path) -> None:
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, {"sum": a + b, "half": a / 2})
    rows = {"a": np.ones((3, 2), np.float32), "b": np.full((3, 2), 2, np.float32)}
    signature = export(model, tmp_path / "m", warm_up=rows).signatures["serving_default"]
    assert (list(signature.inputs), list(signature.outputs)) == (["a", "b"], ["half", "sum"])
    assert answers(tmp_path / "m", **rows)["sum"].tolist() == [[3, 3]] * 3


def test_preprocessing_is_inside(tmp_path: Path) -> None:
    model = classifier()
    raw = (IMAGES * 255).astype(np.uint8)

    def scale(pixels: Any) -> Any:
        return tf.cast(pixels, tf.float32) / 255.0

    export(model, tmp_path / "m", preprocess=(scale, [tf.TensorSpec([None, 4, 4], tf.uint8, "pixels")]), warm_up=raw)
    expected = model.predict(raw / np.float32(255), verbose=0)
    assert np.allclose(answers(tmp_path / "m", pixels=raw)["probabilities"], expected, atol=1e-6)


def test_preprocessing_with_a_table_carries_its_table(tmp_path: Path) -> None:
    words = keras.layers.StringLookup(vocabulary=["yes", "no"])
    model = keras.Sequential([keras.Input((3,), name="codes"), keras.layers.Dense(1, name="score")])

    def look_up(text: Any) -> Any:
        return tf.one_hot(words(text), 3)

    table = tf.Module()
    table.words = words
    spec = tf.TensorSpec([None], tf.string, "text")
    module = tf.Module()
    module.words, module.model = words, model
    export(
        module,
        tmp_path / "m",
        signatures={"serving_default": (lambda text: model(look_up(text), training=False), [spec])},
        outputs=["score"],
        warm_up=np.array(["yes", "maybe"]),
    )
    found = answers(tmp_path / "m", text=np.array([b"yes", b"no", b"?"]))["score"]
    assert np.allclose(found, model(look_up(tf.constant(["yes", "no", "?"]))))


def test_inference_even_where_keras_would_train(tmp_path: Path) -> None:
    """Keras 3 runs a model with Resizing in front in training mode unless told otherwise."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1), name="image"),
            keras.layers.Resizing(8, 8),
            keras.layers.RandomFlip(),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="scores"),
        ]
    )
    model.layers[2].moving_mean.assign([0.7])
    images = IMAGES[..., None]
    export(model, tmp_path / "m", warm_up=images)
    found = answers(tmp_path / "m", image=images[:1])["scores"]
    assert np.allclose(found, model.predict(images[:1], verbose=0), atol=1e-5)


def test_a_function_that_trains_is_refused_and_says_where(tmp_path: Path) -> None:
    model = classifier(keras.layers.BatchNormalization(name="norm"))
    function = (lambda image: model(image, training=True), [tf.TensorSpec([None, 4, 4], tf.float32, "image")])
    with pytest.raises(FailedPrecondition, match=r"change variables, in .*norm") as caught:
        export(model, tmp_path / "m", signatures={"serving_default": function})
    assert "training=False" in str(caught.value.hint)
    assert not (tmp_path / "m").exists()


def test_an_export_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    def two_faced(x: Any) -> Any:
        return x * (1.001 if tf.inside_function() else 1.0)

    function = (two_faced, [tf.TensorSpec([None], tf.float32, "x")])
    with pytest.raises(
        FailedPrecondition, match=r"'output' of 'serving_default', as exported, is 0\.001 away.*, 1 at a time"
    ):
        export(function, tmp_path / "m", warm_up=np.ones(3, np.float32))
    assert not (tmp_path / "m").exists()


def test_a_model_that_contradicts_itself_cannot_be_checked(tmp_path: Path) -> None:
    function = (lambda x: x + tf.random.uniform([]), [tf.TensorSpec([None], tf.float32, "x")])
    with pytest.raises(FailedPrecondition, match="answers the same rows differently"):
        export(function, tmp_path / "m", warm_up=np.ones(3, np.float32))


def test_a_model_that_amplifies_rounding_is_held_to_what_it_can_keep(tmp_path: Path) -> None:
    # 1e4 times the rounding of float32 is far over 1e-5, and nobody's fault.
    weights = tf.constant(np.random.default_rng(2).normal(size=(400, 4)).astype(np.float32))

    def steep(x: Any) -> Any:
        return tf.sin(1e4 * tf.matmul(x, weights))

    function = (steep, [tf.TensorSpec([None, 400], tf.float32, "x")])
    rows = np.random.default_rng(3).random((8, 400)).astype(np.float32)
    export(function, tmp_path / "m", warm_up=rows)


class Shop(tf.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.rate = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "net")])  # type: ignore[untyped-decorator]
    def serve(self, net: Any) -> Any:
        return {"gross": net * self.rate}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.float32)])  # type: ignore[untyped-decorator]
    def both(self, left: Any, right: Any) -> Any:
        return left, right

    def plain(self) -> None:
        """No signature."""


def test_a_module_offers_its_functions(tmp_path: Path) -> None:
    exported = export(
        Shop(), tmp_path / "m", warm_up={"serving_default": [1.0, 2.0], "both": [{"left": 1, "right": 2}]}
    )
    assert list(exported.signatures) == ["both", "serving_default"]
    assert list(exported.signatures["both"].inputs) == ["left", "right"]
    assert list(exported.signatures["both"].outputs) == ["output_0", "output_1"]
    assert answers(tmp_path / "m", net=[1.5])["gross"].tolist() == [3.0]
    assert exported.warm_up_requests == 4


def test_a_bound_function_as_signature(tmp_path: Path) -> None:
    shop = Shop()
    exported = export(shop, tmp_path / "m", signatures={"serving_default": shop.serve}, warm_up=np.ones(2, np.float32))
    assert list(exported.signatures) == ["serving_default"]


def test_warm_up_requests_are_real_rows(tmp_path: Path) -> None:
    exported = export(classifier(), tmp_path / "m", warm_up=IMAGES)
    logs = [messages.PredictionLog.FromString(one) for one in read_records(tmp_path / "m" / WARM_UP_FILE)]
    requests = [log.predict_log.request for log in logs]
    assert exported.warm_up_requests == len(requests) == 9
    assert {one.model_spec.signature_name for one in requests} == {"serving_default"}
    assert (array_of(requests[2].inputs["image"]) == IMAGES[2:3]).all()
    assert (array_of(requests[8].inputs["image"]) == IMAGES[:32]).all()


@pytest.mark.parametrize(
    ("warm_up", "said"),
    [
        (IMAGES[:, :3], r"shape \[40, 3, 4\] for 'image', which takes \[\?, 4, 4\]"),
        (IMAGES[:0], "at least 1"),
        ({"picture": IMAGES}, "'picture' is no input"),
        (IMAGES.astype(str), "the model takes float32"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, warm_up: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        export(classifier(), tmp_path / "m", warm_up=warm_up)


def test_what_cannot_be_exported_says_what_to_pass(tmp_path: Path) -> None:
    class Unknown(keras.Model):  # type: ignore[name-defined, misc]
        pass

    for model, hint in [(Unknown(), "keras.Input"), (tf.Module(), "signatures="), (object(), "signatures=")]:
        with pytest.raises(InvalidArgument) as caught:
            export(model, tmp_path / "m")
        assert hint in str(caught.value.hint)
    with pytest.raises(InvalidArgument, match="does not say what it takes"):
        export(Shop(), tmp_path / "m", signatures={"x": lambda x: x})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(AlreadyExists):
        export(Shop(), tmp_path / "full")
