"""The digits as a training job: ``taxiway train examples/digits:job``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from examples.digits.train import HELD_BACK, Digits, digits, network
from taxiway.train.context import Context


def build_model(params: Mapping[str, Any]) -> keras.Model:
    """The demo's classifier: ``hidden`` units, ``dropout`` behind them, ``rate`` of Adam."""
    model = network(int(params.get("hidden", 64)), float(params.get("dropout", 0)))
    model.compile(
        keras.optimizers.Adam(float(params.get("rate", 0.001))), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def datasets(context: Context) -> tuple[Any, Any]:
    """Images and labels; Taxiway orders and batches them."""
    images, labels = digits()
    return (images[HELD_BACK:], labels[HELD_BACK:]), (images[:HELD_BACK], labels[:HELD_BACK])


def to_export(model: keras.Model, params: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What is served: the digit beside the probabilities."""
    served = Digits(model)
    return served, {"signatures": {"serving_default": served.serve}}
