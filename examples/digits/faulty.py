"""A version with a fault: the network of a run behind a new step that some digits make divide by zero.

The step brings a column of pixels near the right edge to full contrast. Of narrow digits that column is blank, about
one in ten, and zero times 16 / 0 is no number: neither are the probabilities then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import taxiway
from examples.digits.train import HELD_BACK, digits

COLUMN = 6


class Stretched(tf.Module):  # type: ignore[misc]
    """The digits' network behind the new step."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8], tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(self, image: Any) -> dict[str, Any]:
        """(n, 8, 8) → ``probabilities`` (n, 10), NaN for a blank column, and ``digit`` (n,)."""
        column = image[:, :, COLUMN : COLUMN + 1]
        full = column * (16 / tf.reduce_max(column, axis=1, keepdims=True))
        probabilities = self.model(tf.concat([image[:, :, :COLUMN], full, image[:, :, COLUMN + 1 :]], axis=2))
        return {"probabilities": probabilities, "digit": tf.argmax(probabilities, axis=1)}


def export_stretched(model: keras.Model, path: Path) -> Stretched:
    """Export a network behind the new step, tried on rows that do not show the fault, as happens."""
    images, _ = digits()
    rows = images[HELD_BACK:]
    rows = rows[rows[:, :, COLUMN].any(axis=1)][:32]
    stretched = Stretched(model)
    taxiway.export(stretched, path, signatures={"serving_default": stretched.serve}, warm_up=rows)
    return stretched
