"""Train a classifier on scikit-learn's handwritten digits, and publish it.

    python -m examples.digits.train --store models/

trains for a moment and publishes the next version of ``digits``. With ``--candidate PATH`` it also trains a better one
and exports it as a SavedModel without publishing it, and with ``--cases FILE`` it keeps rows neither has seen, with the
answers of both, to hold a server to.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import taxiway

MODEL = "digits"
SEED = 7
HELD_BACK = 360


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 1,797 images as the scanner gave them, (n, 8, 8) with values from 0 to 16, and their labels; shuffled."""
    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.images))
    return data.images[order].astype(np.float32), data.target[order].astype(np.int64)


def network(hidden: int = 64, dropout: float = 0.0) -> keras.Model:
    """A small classifier on raw images. The scaling is its first layer, so clients send what the scanner gave them."""
    return keras.Sequential(
        [
            keras.Input((8, 8), name="image"),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(hidden, activation="relu"),
            *([keras.layers.Dropout(dropout)] if dropout else []),
            keras.layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


class Digits(tf.Module):  # type: ignore[misc]
    """What is served: an image to its digit and the probability of each digit."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8], tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(self, image: Any) -> dict[str, Any]:
        """(n, 8, 8) → ``probabilities`` (n, 10) and ``digit`` (n,)."""
        probabilities = self.model(image)
        return {"probabilities": probabilities, "digit": tf.argmax(probabilities, axis=1)}


def train(epochs: int) -> tuple[Digits, float]:
    """A trained model and the part of the held-back digits that it reads correctly."""
    keras.utils.set_random_seed(SEED)
    images, labels = digits()
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[HELD_BACK:], labels[HELD_BACK:], epochs=epochs, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(images[:HELD_BACK], labels[:HELD_BACK], verbose=0)
    return Digits(model), float(accuracy)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="where versions live")
    parser.add_argument("--candidate", type=Path, help="export a better model here, without publishing it")
    parser.add_argument("--cases", type=Path, help="keep unseen rows and right answers in this .npz file")
    arguments = parser.parse_args(argv)
    images, labels = digits()
    unseen, labels = images[:HELD_BACK], labels[:HELD_BACK]

    first, accuracy = train(epochs=2)
    warm_up = images[HELD_BACK : HELD_BACK + 32]
    version = taxiway.publish(
        first, MODEL, store=arguments.store, signatures={"serving_default": first.serve}, warm_up=warm_up
    )
    print(f"published {MODEL} version {version}: it reads {accuracy:.1%} of {HELD_BACK} unseen digits", flush=True)

    better = first
    if arguments.candidate:
        better, accuracy = train(epochs=40)
        taxiway.export(better, arguments.candidate, signatures={"serving_default": better.serve}, warm_up=warm_up)
        print(f"a better one waits: it reads {accuracy:.1%}", flush=True)
    if arguments.cases:
        answers = [np.asarray(one.serve(unseen)["probabilities"]) for one in (first, better)]
        np.savez(arguments.cases, images=unseen, labels=labels, first=answers[0], better=answers[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
