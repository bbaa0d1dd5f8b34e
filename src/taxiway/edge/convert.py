"""TensorFlow's converter: a SavedModel's signature → a LiteRT file, with none of TensorFlow's own operations in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taxiway.artifacts.arrays import load
from taxiway.edge.loops import has_loops, with_batch
from taxiway.wire.saved_model import read_saved_model

__all__ = ["convert"]

CALIBRATION_ROWS = 100


def convert(saved_model: str, signature: str, variant: str, rows: str, out: str) -> dict[str, Any]:
    """Write the variant of a signature.

    Args:
        saved_model: its directory.
        signature: the name; the file has it under the same one.
        variant: ``float32``, ``dynamic``, ``float16`` or ``int8``.
        rows: inputs by name, which set the ranges of ``int8``.
        out: the file.

    Returns:
        ``converter``, for people.
    """
    import tensorflow as tf

    saved_model = _without_free_loops(saved_model, signature, Path(out).with_name("one-row"))
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[signature])
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        batch = _batch(saved_model, signature)
        converter.representative_dataset = lambda: _representative(signature, rows, batch)
    # Never SELECT_TF_OPS: no Python runtime runs such a file.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    Path(out).write_bytes(converter.convert())
    return {"converter": f"tensorflow {tf.__version__}"}


def _without_free_loops(saved_model: str, signature: str, one_row: Path) -> str:
    """The SavedModel to convert: ``one_row``, with the signature for one row, where it loops over a free batch."""
    if one_row.is_dir():
        return str(one_row)
    inputs = read_saved_model(saved_model).signatures[signature].inputs.values()
    free = all(one.shape and one.shape[0] is None for one in inputs)
    return (
        str(one_row)
        if free and has_loops(saved_model) and with_batch(saved_model, signature, 1, str(one_row))
        else saved_model
    )


def _batch(saved_model: str, signature: str) -> int:
    inputs = read_saved_model(saved_model).signatures[signature].inputs.values()
    return next((one.shape[0] for one in inputs if one.shape and one.shape[0] is not None), 1)


def _representative(signature: str, rows: str, batch: int) -> Iterator[tuple[str, dict[str, Any]]]:
    inputs = load(rows)
    count = min(len(next(iter(inputs.values()))), CALIBRATION_ROWS)
    for at in range(0, count, batch):
        yield signature, {name: one[at : at + batch] for name, one in inputs.items()}
