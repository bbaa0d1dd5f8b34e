"""numpy arrays ↔ TensorProto.

Written: ``tensor_content`` (the bytes of all elements, little-endian), strings in ``string_val``. Read: that or the
typed fields, where a list shorter than the shape repeats its last value, as TensorFlow has it.
"""

from __future__ import annotations

import math
import sys
from typing import Any, TypeAlias

import numpy as np

from taxiway.errors import DataLoss, InvalidArgument
from taxiway.wire.dtypes import DType, dtype_of_array, dtype_of_number
from taxiway.wire.messages import TensorProto, TensorShapeProto

__all__ = ["Array", "array_of", "as_bytes", "tensor_of"]

Array: TypeAlias = np.ndarray[Any, Any]

# A broken message may claim any shape; a typed list that repeats could make a terabyte of eight bytes.
MAX_TENSOR_BYTES = 1 << 34


def tensor_of(array: Array, dtype: DType | None = None) -> TensorProto:
    """The message for an array of any shape; a copy of its elements.

    Args:
        array: numbers, booleans, or strings (arrays of ``str``, ``bytes``, or objects that are either).
        dtype: what to call the type when the array does not say, as raw bits of ``bfloat16`` or ``qint8`` do not.

    Raises:
        InvalidArgument: the array's type is none of TensorFlow's, or not the width of ``dtype``.
    """
    dtype = dtype or dtype_of_array(array)
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in array.shape])
    tensor = TensorProto(dtype=dtype.number, tensor_shape=shape)
    if dtype.is_string:
        tensor.string_val.extend(as_bytes(one) for one in array.ravel().tolist())
        return tensor
    if array.dtype.kind in "SUO" or array.dtype.itemsize != np.dtype(dtype.stored).itemsize:
        raise InvalidArgument(f"An array of {array.dtype} does not hold elements of dtype {dtype.name}.")
    tensor.tensor_content = _little_endian(np.ascontiguousarray(array)).tobytes()
    return tensor


def array_of(tensor: TensorProto) -> Array:
    """The array of a message; strings as an object array of ``bytes``, types numpy lacks as ``DType.numpy`` says.

    The result may be a read-only view of the message's bytes.

    Raises:
        InvalidArgument: no array can have this dtype.
        DataLoss: the elements do not fill the shape.
    """
    dtype = dtype_of_number(tensor.dtype)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise DataLoss(f"A tensor of dtype {dtype.name} has no definite shape: {list(shape)}.")
    count = math.prod(shape)
    if count * np.dtype(dtype.stored).itemsize > MAX_TENSOR_BYTES:
        raise DataLoss(f"A tensor of dtype {dtype.name} claims the shape {list(shape)}, which is too large.")
    flat = _flat_strings(tensor) if dtype.is_string else _flat(tensor, dtype)
    return _filled(flat, count, dtype).reshape(shape)


def as_bytes(value: object) -> bytes:
    """A string element as it stands in a tensor: text becomes UTF-8.

    Raises:
        InvalidArgument: the value is neither text nor bytes.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise InvalidArgument(f"{value!r} is neither text nor bytes.", hint="A string tensor holds str or bytes only.")


def _flat(tensor: TensorProto, dtype: DType) -> Array:
    stored = np.dtype(dtype.stored)
    if tensor.tensor_content:
        content = tensor.tensor_content
        if len(content) % stored.itemsize:
            raise DataLoss(f"{len(content)} bytes of tensor_content are no whole elements of dtype {dtype.name}.")
        return np.frombuffer(content, stored).view(dtype.numpy)
    if dtype.typed_field == "float8_val":
        return np.frombuffer(tensor.float8_val, stored).view(dtype.numpy)
    values = getattr(tensor, dtype.typed_field)
    if dtype.typed_field == "half_val":
        return np.array(values, np.uint32).astype("<u2").view(dtype.numpy)
    if stored.kind == "c":
        return np.array(values, f"<f{stored.itemsize // 2}").view(stored)
    # A number out of range, as int_val can hold for int8, wraps as TensorFlow's own cast does.
    return np.array(values, {"int_val": np.int32}.get(dtype.typed_field, stored)).astype(stored)


def _flat_strings(tensor: TensorProto) -> Array:
    flat = np.empty(len(tensor.string_val), object)
    flat[:] = list(tensor.string_val)
    return flat


def _filled(flat: Array, count: int, dtype: DType) -> Array:
    if len(flat) == count:
        return flat
    if len(flat) > count:
        raise DataLoss(f"{len(flat)} elements of dtype {dtype.name} are more than the shape's {count}.")
    if dtype.is_string:
        last: Any = flat[-1] if len(flat) else b""
    else:
        last = flat[-1] if len(flat) else np.zeros((), flat.dtype)
    whole = np.empty(count, flat.dtype)
    whole[: len(flat)] = flat
    whole[len(flat) :] = last
    return whole


def _little_endian(array: Array) -> Array:
    order = array.dtype.byteorder
    swapped = order == ">" or (order == "=" and sys.byteorder == "big")
    return array.byteswap() if swapped else array
