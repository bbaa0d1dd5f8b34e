"""Arrays ↔ the values of columnar JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from taxiway.errors import DataLoss
from taxiway.types import Json
from taxiway.wire.signatures import Shape, Signature, TensorSpec
from taxiway.wire.tensors import Array

__all__ = ["column_of", "outputs_of"]


def column_of(array: Array) -> Json:
    """The JSON value of an array. Strings go as base64, so that any bytes arrive."""
    if array.dtype.kind == "O":
        flat = [{"b64": base64.b64encode(one).decode()} for one in array.ravel().tolist()]
        column = np.empty(len(flat), object)
        column[:] = flat
        return column.reshape(array.shape).tolist()
    if array.dtype.kind == "c":
        # JSON has no complex numbers; the server says so in its own words.
        return array.astype(str).tolist()
    if array.dtype.kind == "V":
        return array.astype(np.float32).tolist()
    return array.tolist()


def outputs_of(value: Json, signature: Signature) -> dict[str, Array]:
    """The arrays of ``{"outputs": value}``, with the signature's dtypes.

    Raises:
        DataLoss: the value is not what the signature gives.
    """
    if len(signature.outputs) == 1:
        value = {next(iter(signature.outputs)): value}
    if not isinstance(value, dict):
        raise DataLoss(f"The answer is no object, but the signature has {len(signature.outputs)} outputs.")
    outputs = {}
    for name in sorted(value):
        if name not in signature.outputs:
            raise DataLoss(f"The answer has an output {name!r}, which is not in the signature.")
        outputs[name] = _array(name, value[name], signature.outputs[name])
    return outputs


def _array(name: str, value: Json, spec: TensorSpec) -> Array:
    try:
        if spec.dtype.is_string:
            array = np.array(value, object)
            flat = np.empty(array.size, object)
            flat[:] = [_bytes(one) for one in array.ravel().tolist()]
            array = flat.reshape(array.shape)
        else:
            array = np.array(value, spec.dtype.numpy)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise DataLoss(f"Output {name!r} is not {spec.dtype_name} as the signature has it: {error}") from None
    return _with_rank(array, spec.shape)


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no string")
    return value.encode("utf-8", "surrogateescape")


def _with_rank(array: Array, shape: Shape) -> Array:
    """JSON's ``[]`` has lost the dimensions behind an empty one; the signature knows them."""
    if array.size or shape is None or array.ndim >= len(shape):
        return array
    return array.reshape([*array.shape, *(size or 0 for size in shape[array.ndim :])])
