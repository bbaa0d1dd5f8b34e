"""TensorFlow's converter: a SavedModel's signatures → a LiteRT file, with none of TensorFlow's own operations in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from taxiway.artifacts.arrays import load
from taxiway.artifacts.buckets import chunks, filled
from taxiway.edge.prepared import prepared
from taxiway.edge.signatures import Served
from taxiway.wire.saved_model import read_saved_model

__all__ = ["convert"]

CALIBRATION_ROWS = 100


def convert(
    saved_model: str, signatures: Mapping[str, str], variant: str, out: str, batches: Sequence[int] = ()
) -> dict[str, Any]:
    """Write the variant of signatures.

    Args:
        saved_model: its directory.
        signatures: by name, where the inputs are that set the ranges of ``int8``; the file has them under the same
            names.
        variant: ``float32``, ``dynamic``, ``float16``, ``int8`` or ``int8-io``.
        out: the file.
        batches: numbers of rows, rising, for each of which there is a signature more.

    Returns:
        ``converter``, for people.
    """
    import tensorflow as tf

    folder = Path(out).with_name(f"{Path(saved_model).name}-prepared")
    directory, served = prepared(saved_model, list(signatures), batches, folder)
    converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[one.key for one in served])
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant in ("int8", "int8-io"):
        converter.representative_dataset = lambda: _representative(directory, served, signatures)
    # Never SELECT_TF_OPS: no Python runtime runs such a file.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant == "int8-io":
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # An operation that has no whole numbers would be left in floats without a word.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    Path(out).write_bytes(converter.convert())
    return {"converter": f"tensorflow {tf.__version__}"}


def _representative(
    directory: str, served: Sequence[Served], rows: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every signature is fed: the ranges of one are not known to another."""
    known = read_saved_model(directory).signatures
    for one in served:
        batch = next((spec.shape[0] for spec in known[one.key].inputs.values() if spec.shape and spec.shape[0]), 1)
        inputs = {name: array[:CALIBRATION_ROWS] for name, array in load(rows[one.of]).items()}
        for chunk in chunks(len(next(iter(inputs.values()))), [batch]):
            yield one.key, filled({k: v[chunk.start : chunk.stop] for k, v in inputs.items()}, batch)
