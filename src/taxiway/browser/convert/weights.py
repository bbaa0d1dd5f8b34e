"""Weights as TensorFlow.js reads them: a list of what they are, and files of 4 MB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from taxiway.errors import FailedPrecondition, Unimplemented
from taxiway.wire.tensors import Array

__all__ = ["QUANTISATIONS", "SHARD_BYTES", "Quantisation", "quantised", "restored", "shard", "stored"]

Quantisation: TypeAlias = Literal["float32", "float16", "uint16", "uint8"]
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)
SHARD_BYTES = 4 << 20
# A bias is a few numbers: fewer bits would save nothing and cost most.
_FEWEST_QUANTISED = 64
_INT32 = np.iinfo(np.int32)
_INT64 = np.iinfo(np.int64)


def stored(name: str, array: Array) -> Array:
    """A constant in one of the types that TensorFlow.js has: float32, int32 and bool.

    Raises:
        Unimplemented: its numbers do not fit into one of them.
    """
    kind = array.dtype.kind
    if kind == "b" or array.dtype in (np.float32, np.int32):
        return array
    if kind == "f":
        return array.astype(np.float32)
    if kind in "iu":
        # "To the end" is the largest number there is, in either type.
        ends = {_INT64.max: _INT32.max, _INT64.min: _INT32.min}
        outside = (array < _INT32.min) | (array > _INT32.max)
        odd = [int(one) for one in np.asarray(array)[outside].ravel() if int(one) not in ends]
        if odd:
            raise Unimplemented(
                f"The constant {name} holds {odd[0]}, and TensorFlow.js has no integers of more than 32 bits.",
                hint="Hash or count in another place, or use smaller numbers.",
            )
        return np.clip(array, _INT32.min, _INT32.max).astype(np.int32)
    raise Unimplemented(
        f"The constant {name} holds {array.dtype.name} values, which TensorFlow.js does not compute with.",
        hint="Export a signature of numbers (token ids in, scores out) and name it with --signature.",
    )


def shard(weights: Mapping[str, Array], quantisation: Quantisation = "float32") -> tuple[list[Any], dict[str, bytes]]:
    """The manifest of ``model.json``, and its files by name.

    Args:
        weights: float32, int32 and bool.
        quantisation: what large float tensors are kept as.

    Raises:
        FailedPrecondition: a weight cannot be kept so.
    """
    rows, data = [], bytearray()
    for name, array in weights.items():
        row: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": _name(array)}
        if quantisation != "float32" and array.dtype == np.float32 and array.size >= _FEWEST_QUANTISED:
            array, row["quantization"] = quantised(name, array, quantisation)
        rows.append(row)
        data += np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    count = max(1, -(-len(data) // SHARD_BYTES))
    names = [f"group1-shard{number}of{count}.bin" for number in range(1, count + 1)]
    shards = {name: bytes(data[at * SHARD_BYTES : (at + 1) * SHARD_BYTES]) for at, name in enumerate(names)}
    return [{"paths": names, "weights": rows}], shards


def quantised(name: str, array: Array, quantisation: Quantisation) -> tuple[Array, dict[str, Any]]:
    """Floats in fewer bits, and how to come back: ``value × scale + min``.

    Zero stays exactly zero, so what was pruned stays pruned.

    Raises:
        FailedPrecondition: a number is not finite, or too large for float16.
    """
    if not np.isfinite(array).all():
        raise FailedPrecondition(f"The weights {name} have numbers that are not finite.", hint="--weights float32")
    if quantisation == "float16":
        if np.abs(array).max() > np.finfo(np.float16).max:
            raise FailedPrecondition(f"The weights {name} are too large for float16.", hint="--weights uint16")
        return array.astype(np.float16), {"dtype": "float16", "original_dtype": "float32"}
    steps = np.iinfo(quantisation).max
    low, high = min(float(array.min()), 0.0), max(float(array.max()), 0.0)
    scale = (high - low) / steps or 1.0
    zero = round(-low / scale)
    numbers = np.clip(np.rint(array.astype(np.float64) / scale) + zero, 0, steps).astype(quantisation)
    return numbers, {"dtype": quantisation, "min": -zero * scale, "scale": scale, "original_dtype": "float32"}


def restored(array: Array, row: Mapping[str, Any]) -> Array:
    """What the browser makes of quantised weights."""
    if row["dtype"] == "float16":
        return array.astype(np.float32)
    return np.asarray(array * row["scale"] + row["min"], np.float32)


def _name(array: Array) -> str:
    return "bool" if array.dtype.kind == "b" else array.dtype.name
