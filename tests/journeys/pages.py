"""Models for pages, in the state that training leaves, without the minutes that training takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from examples.edge.models import EXAMPLES, HELD_BACK, digits, signatures

_SEEN = 64


def ready(name: str) -> Any:
    """One of the examples: its norms have met rows, no weight is zero or one, and its classes are apart.

    What a converter must get right is in the graph and in numbers that are not trivial; one look at some rows gives
    them, and an epoch of a MobileNet takes most of a minute.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = EXAMPLES[name].build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign_add(random.normal(0.0, 0.1, variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        for inner in getattr(layer, "layers", []):
            if isinstance(inner, keras.layers.BatchNormalization):
                inner.momentum = 0.0
    (rows,) = EXAMPLES[name].rows(digits()[0][HELD_BACK : HELD_BACK + _SEEN]).values()
    model(tf.constant(rows), training=True)
    kernel = model.get_layer("probabilities").kernel
    kernel.assign(kernel * 4.0)
    return model


def save(name: str, folder: Path) -> Path:
    """The SavedModel of a model that is :func:`ready`: traced once, without the comparisons of an export."""
    import keras
    import tensorflow as tf

    model = ready(name)

    def serve(x: Any) -> Any:
        return {"probabilities": model(x, training=False)}

    spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, model.inputs[0].name)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for endpoint, (function, specs) in (signatures(name, model) or {"serving_default": (serve, [spec])}).items():
        archive.add_endpoint(endpoint, function, specs)
    archive.write_out(str(folder / name), verbose=False)
    return folder / name
