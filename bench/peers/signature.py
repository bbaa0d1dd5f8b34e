"""What the peers share: a SavedModel's default signature on one TensorFlow thread, rows in and lists out."""

from __future__ import annotations

import argparse

import numpy as np
import tensorflow as tf


def arguments():
    """The peer's command line: the model's name, its version's path, ``--port``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args()


class Signature:
    """The default signature, as a function of arrays."""

    def __init__(self, path: str) -> None:
        # One core is what it is given; more threads would only take turns on it.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._model = tf.saved_model.load(path)  # the signature does not keep its variables alive
        self._run = self._model.signatures["serving_default"]
        ((self.input_name, spec),) = self._run.structured_input_signature[1].items()
        self.dtype, self.rank = spec.dtype.as_numpy_dtype, len(spec.shape)

    def outputs(self, rows) -> dict[str, np.ndarray]:
        """The outputs for an array, or a list of rows."""
        answered = self._run(**{self.input_name: tf.constant(np.asarray(rows, self.dtype))})
        return {name: value.numpy() for name, value in answered.items()}

    def predictions(self, rows):
        """As TensorFlow Serving writes them: the only output's rows, or a dictionary a row."""
        arrays = self.outputs(rows)
        if len(arrays) == 1:
            return next(iter(arrays.values())).tolist()
        return [{name: value[row].tolist() for name, value in arrays.items()} for row in range(len(rows))]
