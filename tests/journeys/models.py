"""Small real models for the journeys, as plain TensorFlow writes them: python -m tests.journeys.models FOLDER

Written in a process of its own: TensorFlow in Python would be in the way of the data plane's library in the tests'.

    FOLDER/half_plus_two/{1,2}   x (float, [?]) → y = x / 2 + 2, in version 2 + 3
    FOLDER/shaky/{1,2,3,4,5}     x (float, [?]) → y = x, and NaN for x below 0.01, 0, 0.06, 0.05 and 0.01
    FOLDER/normed/1              x (float, [?, 2]) → y = x, normalised by the rows that are asked with it
    FOLDER/digits/1              image (float, [?, 8, 8]) → probabilities ([?, 10]), learnt from scikit-learn's digits
    FOLDER/digits.npz            rows (12, 8, 8) it has not seen, and its own answers to them
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

HIDDEN = 32
STEPS = 200


def half_plus(number: float) -> Any:
    """The model every server of TensorFlow is tried with."""
    module = tf.Module()
    module.a, module.b = tf.Variable(0.5), tf.Variable(number)
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.serve = tf.function(lambda x: {"y": module.a * x + module.b}, input_signature=[spec])
    return module


def shaky(share: float) -> Any:
    """A model that has no answer for a share of the numbers from 0 to 1."""
    module = tf.Module()
    module.share = tf.Variable(share)
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.serve = tf.function(lambda x: {"y": tf.where(x < module.share, x * float("nan"), x)}, input_signature=[spec])
    return module


def normed() -> Any:
    """A model that was exported as it trains: batch normalisation by the batch's own mean and variance."""
    module = tf.Module()
    module.scale = tf.Variable([2.0, 3.0])

    def by_the_batch(x: Any) -> Any:
        mean, variance = tf.nn.moments(x, axes=[0])
        return {"y": tf.nn.batch_normalization(x, mean, variance, None, module.scale, 1e-3) + x}

    spec = tf.TensorSpec([None, 2], tf.float32, name="x")
    module.serve = tf.function(by_the_batch, input_signature=[spec])
    return module


def learnt(images: Any, labels: Any) -> Any:
    """A network with one hidden layer after a few hundred steps of gradient descent."""
    random = tf.random.Generator.from_seed(7)
    module = tf.Module()
    module.hidden = tf.Variable(random.normal([64, HIDDEN], stddev=0.1))
    module.out = tf.Variable(random.normal([HIDDEN, 10], stddev=0.1))

    def scores(image: Any) -> Any:
        flat = tf.reshape(image, [-1, 64]) / 16.0
        return tf.nn.relu(flat @ module.hidden) @ module.out

    variables = [module.hidden, module.out]
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores(images)))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * gradient)
    spec = tf.TensorSpec([None, 8, 8], tf.float32, name="image")
    module.serve = tf.function(lambda image: {"probabilities": tf.nn.softmax(scores(image))}, input_signature=[spec])
    return module


def main(folder: Path) -> None:
    for version, number in ((1, 2.0), (2, 3.0)):
        module = half_plus(number)
        tf.saved_model.save(module, str(folder / "half_plus_two" / str(version)), {"serving_default": module.serve})
    for version, share in ((1, 0.01), (2, 0.0), (3, 0.06), (4, 0.05), (5, 0.01)):
        module = shaky(share)
        tf.saved_model.save(module, str(folder / "shaky" / str(version)), {"serving_default": module.serve})
    module = normed()
    tf.saved_model.save(module, str(folder / "normed" / "1"), {"serving_default": module.serve})
    data = load_digits()
    images, labels = data.images.astype(np.float32), data.target.astype(np.int64)
    module = learnt(images[:1500], labels[:1500])
    tf.saved_model.save(module, str(folder / "digits" / "1"), {"serving_default": module.serve})
    rows = images[1500:1512]
    np.savez(folder / "digits.npz", image=rows, probabilities=module.serve(rows)["probabilities"].numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
