"""A job whose layers keep statistics of what they see: the digits through BatchNorm, with a weight penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from examples.digits.job import datasets
from tests.journeys.gates import callbacks

__all__ = ["build_model", "callbacks", "datasets"]


def build_model(params: Mapping[str, Any]) -> keras.Model:
    """Statistics of the whole batch, so that a batch divided among replicas trains as an undivided one."""
    model = keras.Sequential(
        [
            keras.Input((8, 8), name="image"),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(16, kernel_regularizer=keras.regularizers.L2(0.01)),
            keras.layers.BatchNormalization(synchronized=bool(params.get("synchronized", True))),
            keras.layers.Dropout(float(params.get("drop", 0.0))),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
