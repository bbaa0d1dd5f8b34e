"""The models that are measured, trained on real rows and published as users publish theirs.

``python -m bench.models NAME FOLDER`` builds one; the bench runs it as a process of its own, because building imports
TensorFlow. Beside the store it leaves 64 real rows and the answers Keras gives for them, which every server is held to.
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

_SEED = 20261125
_KEPT = 64


@dataclass(frozen=True)
class Built:
    """A model on disk and what it must answer.

    Attributes:
        name: the model's name in requests.
        store: the folder that holds the model's folder.
        version: the path of its version.
        input_name, output_name: of its default signature.
        rows: (64, …) real inputs.
        expected: (64, …) Keras' answers to them.
    """

    name: str
    store: Path
    version: Path
    input_name: str
    output_name: str
    rows: NDArray[Any]
    expected: NDArray[Any]


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
        rows, expected = cases["rows"], cases["expected"]
        input_name, output_name = str(cases["input_name"]), str(cases["output_name"])
    store = home / "store"
    return Built(name, store, store / name / "1", input_name, output_name, rows, expected)


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
    taxiway.publish(model, home.name, store=home / "store", warm_up=images[_KEPT : _KEPT + 32])
    _keep_cases(model, images, home)


def _digits_mlp_litert(home: Path) -> None:
    """The same as ``model.tflite`` and nothing else."""
    import tensorflow as tf

    model, images = _trained_mlp()
    exported = taxiway.export(model, home / "exported").path
    flat = home / "flat"
    flat.mkdir()
    (flat / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(exported)).convert())
    taxiway.publish(flat, home.name, store=home / "store")
    _keep_cases(model, images, home)


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


def _keep_cases(model: Any, images: NDArray[np.float32], home: Path) -> None:
    """Keep the rows that the model has not seen, with its answers."""
    rows = images[:_KEPT]
    expected = np.asarray(model(rows, training=False))
    np.savez(home / "cases.npz", rows=rows, expected=expected, input_name="image", output_name="probabilities")


_BUILDERS: dict[str, Callable[[Path], None]] = {"digits-mlp": _digits_mlp, "digits-mlp-litert": _digits_mlp_litert}
NAMES = tuple(_BUILDERS)


if __name__ == "__main__":
    _BUILDERS[sys.argv[1]](Path(sys.argv[2]))
