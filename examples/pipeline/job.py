"""A model in two stages on two devices, trained by micro-batches, so that both stages work at the same time.

    taxiway train examples/pipeline:job --set logical_cpus=2 --epochs 5

A batch is cut into micro-batches. While the second stage computes with one of them, the first stage can begin the next:
nothing orders them but the data that passes between the stages. Their gradients add up to those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from examples.digits.job import datasets

__all__ = ["Pipeline", "build_model", "datasets", "placement"]

# A stage is a model of its own; its layers are where it is.
placement = {"first": "CPU:0", "second": "CPU:1"}


class Pipeline(keras.Model):  # type: ignore[misc]
    """A functional model whose training step takes the batch in ``pieces`` micro-batches of the same size.

    The gradients are those of the whole batch, as long as the loss is a mean over rows and no layer looks across rows.
    """

    pieces = 4

    def gradients(self, images: Any, labels: Any) -> tuple[list[Any], Any]:
        """The loss's gradients by every trainable variable, and the answers, of all micro-batches together."""
        answers, total = [], None
        for part, truth in zip(tf.split(images, self.pieces), tf.split(labels, self.pieces), strict=True):
            with tf.GradientTape() as tape:
                answers.append(self(part, training=True))
                loss = self.compute_loss(part, truth, answers[-1], training=True) / self.pieces
            found = tape.gradient(loss, self.trainable_variables)
            total = found if total is None else [one + other for one, other in zip(total, found, strict=True)]
        return total or [], tf.concat(answers, 0)

    def train_step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        """One step of ``fit``."""
        images, labels = batch
        gradients, answers = self.gradients(images, labels)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        loss = self.compute_loss(images, labels, answers, training=True)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(images)[0])
        return dict(self.compute_metrics(images, labels, answers))


def build_model(params: Mapping[str, Any]) -> keras.Model:
    """Two stages; ``pieces`` is the number of micro-batches, by which the batch must divide."""
    image = keras.Input((8, 8), name="image")
    first = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(int(params.get("width", 64)), activation="relu"),
        ],
        name="first",
    )
    second = keras.Sequential(
        [keras.Input(first.output_shape[1:]), keras.layers.Dense(10, activation="softmax")], name="second"
    )
    model = Pipeline(image, second(first(image)))
    model.pieces = int(params.get("pieces", Pipeline.pieces))
    model.compile(
        keras.optimizers.Adam(float(params.get("rate", 0.001))), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
