"""The models that are measured, trained on real rows and published as users publish theirs.

``python -m bench.models NAME FOLDER`` builds one; the bench runs it as a process of its own, because building imports
TensorFlow. Beside the store it leaves rows and the model's own answers to them, which every server is held to. All but
texts are published with ``optimize``: LiteRT stands beside the SavedModel, and servers that have both choose.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import taxiway
from taxiway.contract import noise_floor
from taxiway.contract.noise import tolerance

_SEED = 20261125
_KEPT = 64
_KEPT_PICTURES = 8


@dataclass(frozen=True)
class Built:
    """A model on disk and what it must answer.

    Attributes:
        name: the model's name in requests.
        store: the folder that holds the model's folder.
        version: the path of its version.
        input_name, output_name: of its default signature.
        rows: inputs, the first of which are asked; serialised tf.Examples as bytes objects.
        expected: the model's own answers to them.
        tolerance: how far another right runtime may be from them.
    """

    name: str
    store: Path
    version: Path
    input_name: str
    output_name: str
    rows: NDArray[Any]
    expected: NDArray[Any]
    tolerance: float


def ensure(name: str, folder: Path) -> Built:
    """The model ``name`` under ``folder``, built when it is missing or this file changed since.

    Raises:
        ValueError: there is no such model.
        subprocess.CalledProcessError: building it failed; its output is on stderr.
    """
    if name not in _BUILDERS:
        raise ValueError(f"no model {name!r}; there are {', '.join(_BUILDERS)}")
    home = folder / name
    stamp = home / "built-by.txt"
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"bench: training {name} …", file=sys.stderr, flush=True)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "bench.models", name, str(home)], check=True, stdout=sys.stderr)
        stamp.write_text(digest)
    with np.load(home / "cases.npz") as cases:
        rows, expected, tolerance = cases["rows"], cases["expected"], float(cases["tolerance"])
        input_name, output_name = str(cases["input_name"]), str(cases["output_name"])
    if rows.dtype.kind == "U":  # hexadecimal, for NumPy cuts zeros off bytes
        rows = np.array([bytes.fromhex(row) for row in rows], object)
    store = home / "store"
    return Built(name, store, store / name / "1", input_name, output_name, rows, expected, tolerance)


def digits(side: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """scikit-learn's 1,797 handwritten digits, upscaled to ``side`` × ``side``, from 0 to 1, shuffled by seed."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    small = load_digits()
    images = zoom(small.images / 16.0, (1, side / 8, side / 8), order=1).clip(0, 1).astype(np.float32)
    order = np.random.default_rng(_SEED).permutation(len(images))
    return images[order], small.target[order].astype(np.int64)


def _digits_mlp(home: Path) -> None:
    """Flatten, Dense 100, Dense 10 on 28×28 images, as a SavedModel."""
    model, images = _trained_mlp()
    _publish(model, images[_KEPT : _KEPT + 32], home)
    _keep_cases(model, images[:_KEPT], home)


def _digits_cnn(home: Path) -> None:
    """Two convolutions and two dense layers on 28×28 images."""
    import keras

    keras.utils.set_random_seed(_SEED)
    images, labels = digits(28)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[_KEPT:], labels[_KEPT:], epochs=3, batch_size=64, verbose=0)
    _publish(model, images[_KEPT : _KEPT + 32], home)
    _keep_cases(model, images[:_KEPT], home)


def _mobilenet(home: Path) -> None:
    """MobileNetV2 on 224×224×3 images, with weights drawn by seed: its speed is that of trained ones."""
    import keras

    keras.utils.set_random_seed(_SEED)
    network = keras.applications.MobileNetV2(weights=None, input_shape=(224, 224, 3))
    image = keras.Input((224, 224, 3), name="image")
    model = keras.Model(image, keras.layers.Identity(name="probabilities")(network(image)))
    images = np.random.default_rng(_SEED).random((2 * _KEPT_PICTURES, 224, 224, 3), np.float32)
    _publish(model, images[_KEPT_PICTURES:], home)
    _keep_cases(model, images[:_KEPT_PICTURES], home)


def _wide_text(home: Path) -> None:
    """tf.Examples with six texts, hashed and embedded, and four numbers; weights drawn by seed."""
    import tensorflow as tf

    texts, numbers, buckets = [f"c{i}" for i in range(6)], [f"n{i}" for i in range(4)], 1000
    features = {name: tf.io.FixedLenFeature([], tf.string, "") for name in texts}
    features |= {name: tf.io.FixedLenFeature([], tf.float32, 0.0) for name in numbers}

    class Wide(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            draw = np.random.default_rng(_SEED)
            self.tables = [tf.Variable(draw.normal(size=(buckets, 16)).astype(np.float32)) for _ in texts]
            width = 16 * len(texts) + len(numbers)
            self.hidden = tf.Variable((draw.normal(size=(width, 64)) / 10).astype(np.float32))
            self.last = tf.Variable((draw.normal(size=(64, 1)) / 8).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])  # type: ignore[untyped-decorator]
        def serve(self, examples: Any) -> Any:
            parsed = tf.io.parse_example(examples, features)
            hashed = [tf.strings.to_hash_bucket_fast(parsed[name], buckets) for name in texts]
            columns = [tf.gather(table, one) for table, one in zip(self.tables, hashed, strict=True)]
            columns += [parsed[name][:, None] for name in numbers]
            hidden = tf.nn.relu(tf.concat(columns, axis=1) @ self.hidden)
            return {"probability": tf.nn.sigmoid(hidden @ self.last)}

    def example(row: int) -> bytes:
        one = tf.train.Example()
        for index, name in enumerate(texts):
            one.features.feature[name].bytes_list.value.append(f"value {(row * 7919 + index * 31) % 500}".encode())
        for index, name in enumerate(numbers):
            one.features.feature[name].float_list.value.append(((row + index) % 10) / 10)
        return bytes(one.SerializeToString(deterministic=True))

    model, rows = Wide(), np.array([example(row) for row in range(2 * _KEPT)], object)
    taxiway.publish(model, home.name, store=home / "store", warm_up={"examples": rows[_KEPT : _KEPT + 32]},
                    signatures={"serving_default": model.serve})  # fmt: skip
    expected = model.serve(tf.constant(rows[:_KEPT]))["probability"].numpy()
    _save(home, np.array([row.hex() for row in rows[:_KEPT]]), expected, ("examples", "probability"), 1e-5)


def _publish(model: Any, rows: NDArray[np.float32], home: Path) -> None:
    taxiway.publish(model, home.name, store=home / "store", warm_up=rows, optimize=True)


def _digits_mlp_litert(home: Path) -> None:
    """The same as ``model.tflite`` and nothing else."""
    import tensorflow as tf

    model, images = _trained_mlp()
    exported = taxiway.export(model, home / "exported").path
    flat = home / "flat"
    flat.mkdir()
    (flat / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(exported)).convert())
    taxiway.publish(flat, home.name, store=home / "store")
    _keep_cases(model, images[:_KEPT], home)


def _trained_mlp() -> tuple[Any, NDArray[np.float32]]:
    import keras

    keras.utils.set_random_seed(_SEED)
    images, labels = digits(28)
    model = keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            keras.layers.Flatten(),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[_KEPT:], labels[_KEPT:], epochs=10, batch_size=64, verbose=0)
    return model, images


def _keep_cases(model: Any, rows: NDArray[np.float32], home: Path) -> None:
    """Keep rows that the model has not seen, with its answers and how far rounding moves them."""
    answers = [
        np.asarray(model(one, training=False)) for one in (rows, *(np.nextafter(rows, s * np.inf) for s in (1, -1)))
    ]
    floor = noise_floor({"y": answers[0]}, [{"y": one} for one in answers[1:]])
    _save(home, rows, answers[0], ("image", "probabilities"), tolerance(floor))


def _save(home: Path, rows: NDArray[Any], expected: NDArray[Any], names: tuple[str, str], allowed: float) -> None:
    np.savez(
        home / "cases.npz", rows=rows, expected=expected, input_name=names[0], output_name=names[1], tolerance=allowed
    )


_BUILDERS: dict[str, Callable[[Path], None]] = {
    "digits-mlp": _digits_mlp,
    "digits-mlp-litert": _digits_mlp_litert,
    "digits-cnn": _digits_cnn,
    "mobilenet": _mobilenet,
    "wide-text": _wide_text,
}
NAMES = tuple(_BUILDERS)


if __name__ == "__main__":
    _BUILDERS[sys.argv[1]](Path(sys.argv[2]))
