"""Seven small models, trained on scikit-learn's handwritten digits: one of each kind that converters trip over.

    python -m examples.edge.models FOLDER [NAME …]

writes a SavedModel of each into ``FOLDER/NAME``, with the held-back rows in ``FOLDER/NAME.npz``: the inputs by name,
and ``labels``. Recurrent ones have their Keras file too, which can be unrolled. A model that is there already is left
as it is. Weights begin at random; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.export import export

HELD_BACK = 897
TEXT_LENGTH = 40
RECURRENT = ("lstm", "gru")
Rows = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """One model.

    Attributes:
        build: makes it, untrained.
        rows: images (n, 8, 8) of 0 to 16 → its inputs by name.
        epochs: how long it trains.
    """

    build: Callable[[], Any]
    rows: Callable[[Any], Rows]
    epochs: int


def _classes(features: Any) -> Any:
    import keras

    return keras.layers.Dense(10, "softmax", name="probabilities")(features)


def _mlp() -> Any:
    import keras

    layers = keras.layers
    image = keras.Input((8, 8), name="image")
    features = layers.Flatten()(layers.Rescaling(1 / 16)(image))
    for units in (256, 64):
        features = layers.Dense(units, "relu")(features)
    return keras.Model(image, _classes(features))


def _cnn() -> Any:
    """BatchNorm behind Resizing: called without training=False, Keras runs it in training mode."""
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    features = layers.Resizing(16, 16)(layers.Rescaling(1 / 16)(image))
    for filters in (16, 32, 32):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False)(features)
        features = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
        features = layers.MaxPooling2D()(features)
    return keras.Model(image, _classes(layers.Flatten()(features)))


def _attention() -> Any:
    """The image's rows are a sequence; the exact GELU is made of Erf."""
    import keras

    layers = keras.layers
    image = keras.Input((8, 8), name="image")
    tokens = layers.Dense(32)(layers.Rescaling(1 / 16)(image))
    tokens = layers.LayerNormalization()(tokens + layers.MultiHeadAttention(2, 16)(tokens, tokens))
    wide = layers.Dense(64, activation=lambda x: keras.activations.gelu(x, approximate=False))(tokens)
    tokens = layers.LayerNormalization()(tokens + layers.Dense(32)(wide))
    return keras.Model(image, _classes(layers.Flatten()(tokens)))


def _recurrent(kind: str) -> Callable[[], Any]:
    def build() -> Any:
        import keras

        image = keras.Input((8, 8), name="image")
        scaled = keras.layers.Rescaling(1 / 16)(image)
        return keras.Model(image, _classes(getattr(keras.layers, kind)(48)(scaled)))

    return build


def _mobilenet() -> Any:
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    large = layers.Concatenate()([layers.Resizing(32, 32)(layers.Rescaling(1 / 8, offset=-1)(image))] * 3)
    body = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # its own 0.999 is for a million steps
    return keras.Model(image, _classes(body(large)))


def _text() -> Any:
    """Words in: each dark pixel is one."""
    import keras

    layers = keras.layers
    text = keras.Input((), name="text", dtype="string")
    vectors = layers.TextVectorization(output_sequence_length=TEXT_LENGTH, name="tokens")
    vectors.adapt([f"{row}{column}" for row in range(8) for column in range(8)])
    features = layers.Flatten()(layers.Embedding(vectors.vocabulary_size(), 16, name="words")(vectors(text)))
    return keras.Model(text, _classes(layers.Dense(64, "relu")(features)))


def _flat(images: Any) -> Rows:
    return {"image": images}


def _deep(images: Any) -> Rows:
    return {"image": images[..., None]}


def _worded(images: Any) -> Rows:
    """``"02 03 12"``: the dark pixels of each image, by row and column."""
    return {"text": np.array([" ".join(f"{r}{c}" for r, c in np.argwhere(image > 7)) for image in images])}


EXAMPLES: dict[str, Example] = {
    "mlp": Example(_mlp, _flat, 30),
    "cnn": Example(_cnn, _deep, 15),
    "attention": Example(_attention, _flat, 40),
    "lstm": Example(_recurrent("LSTM"), _flat, 40),
    "gru": Example(_recurrent("GRU"), _flat, 40),
    "mobilenet": Example(_mobilenet, _deep, 25),
    "text": Example(_text, _worded, 30),
}


def digits() -> tuple[Any, Any]:
    """Images (1797, 8, 8) and their digits, in an order of their own that is always the same."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(1).permutation(len(found.target))
    return found.images[order].astype(np.float32), found.target[order].astype(np.int64)


def trained(name: str, epochs: int | None = None) -> Any:
    """The Keras model, trained on the rows that are not held back."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    example = EXAMPLES[name]
    model = example.build()
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = digits()
    inputs = next(iter(example.rows(images[HELD_BACK:]).values()))
    rows = tf.constant(inputs) if inputs.dtype.kind == "U" else inputs
    model.fit(rows, labels[HELD_BACK:], batch_size=32, epochs=epochs or example.epochs, verbose=0)
    return model


def held_back(name: str, signature: str | None = None) -> tuple[Rows, Any]:
    """Rows that no model was trained on, as a signature takes them (the devices' when None), and their labels."""
    images, labels = digits()
    rows = EXAMPLES[name].rows(images[:HELD_BACK])
    if name == "text" and signature in (None, "ids"):
        rows = {"ids": ids_of(rows["text"])}
    return rows, labels[:HELD_BACK]


def ids_of(texts: Any) -> Any:
    """What the text model's tokeniser makes of words, without TensorFlow: 0 ends a text, 1 is no known word."""
    # TextVectorization sorts equally frequent words backwards.
    words = sorted((f"{row}{column}" for row in range(8) for column in range(8)), reverse=True)
    numbers = {word: number for number, word in enumerate(words, 2)}
    ids = np.zeros((len(texts), TEXT_LENGTH), np.int64)
    for row, text in enumerate(texts):
        found = [numbers.get(word, 1) for word in text.split()][:TEXT_LENGTH]
        ids[row, : len(found)] = found
    return ids


def write(name: str, folder: Path, model: Any = None) -> Path:
    """Train (unless a model is given) and write ``folder/name`` and ``folder/name.npz``; the SavedModel's directory."""
    target = folder / name
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    model = trained(name) if model is None else model
    rows, labels = held_back(name)
    np.savez(folder / f"{name}.npz", **rows, labels=labels)
    if name in RECURRENT:
        model.save(folder / f"{name}.keras")
    export(model, target, signatures=signatures(name, model))
    return target


def signatures(name: str, model: Any) -> Mapping[str, Any] | None:
    """What is exported beside ``serving_default``: of the text model, what follows the tokeniser."""
    import tensorflow as tf

    def serve(x: Any) -> Any:
        return {"probabilities": model(x, training=False)}

    if name == "text":

        def core(ids: Any) -> Any:
            features = ids
            for layer in model.layers[model.layers.index(model.get_layer("tokens")) + 1 :]:
                features = layer(features)
            return {"probabilities": features}

        return {
            "serving_default": (serve, [tf.TensorSpec([None], tf.string, "text")]),
            "ids": (core, [tf.TensorSpec([None, TEXT_LENGTH], tf.int64, "ids")]),
        }
    return None


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *EXAMPLES], metavar="NAME")
    arguments = parser.parse_args(argv)
    for name in arguments.names or EXAMPLES:
        print(f"{name}: {write(name, arguments.folder)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
