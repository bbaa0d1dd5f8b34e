"""TensorFlow's element types: their numbers, names, numpy types, and the field that carries them in a TensorProto."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from taxiway.errors import InvalidArgument

__all__ = ["DTYPES", "STRING", "DType", "dtype_of_array", "dtype_of_name", "dtype_of_number"]


@dataclass(frozen=True)
class DType:
    """One row of the table.

    Attributes:
        number: as in TensorFlow's ``DataType``.
        name: as Python's TensorFlow and numpy spell it, ``float32``.
        proto_name: as protobuf's JSON spells it, ``DT_FLOAT``.
        typed_field: the TensorProto field that holds values of this type; empty when there is none.
        stored: the numpy type of the same width that holds the bits when numpy itself has no such type.
    """

    number: int
    name: str
    proto_name: str
    typed_field: str
    stored: str

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type. A type numpy lacks needs ``ml_dtypes``; without it the raw bits, as unsigned integers."""
        return _numpy(self)

    @property
    def is_string(self) -> bool:
        """Whether elements are byte strings of any length."""
        return self.number == 7

    @property
    def is_bits(self) -> bool:
        """Whether the type is numpy's only by extension; without ``ml_dtypes`` its arrays hold the raw bits."""
        return self.name.startswith(("bfloat", "float8"))


# number, name, protobuf's name, typed field, numpy type that holds the bits. 4- and 2-bit integers are not here: how
# they are packed is no contract of the wire.
DTYPES: tuple[DType, ...] = tuple(
    DType(*row)
    for row in (
        (1, "float32", "DT_FLOAT", "float_val", "<f4"),
        (2, "float64", "DT_DOUBLE", "double_val", "<f8"),
        (3, "int32", "DT_INT32", "int_val", "<i4"),
        (4, "uint8", "DT_UINT8", "int_val", "u1"),
        (5, "int16", "DT_INT16", "int_val", "<i2"),
        (6, "int8", "DT_INT8", "int_val", "i1"),
        (7, "string", "DT_STRING", "string_val", "O"),
        (8, "complex64", "DT_COMPLEX64", "scomplex_val", "<c8"),
        (9, "int64", "DT_INT64", "int64_val", "<i8"),
        (10, "bool", "DT_BOOL", "bool_val", "?"),
        (11, "qint8", "DT_QINT8", "int_val", "i1"),
        (12, "quint8", "DT_QUINT8", "int_val", "u1"),
        (13, "qint32", "DT_QINT32", "int_val", "<i4"),
        (14, "bfloat16", "DT_BFLOAT16", "half_val", "<u2"),
        (15, "qint16", "DT_QINT16", "int_val", "<i2"),
        (16, "quint16", "DT_QUINT16", "int_val", "<u2"),
        (17, "uint16", "DT_UINT16", "int_val", "<u2"),
        (18, "complex128", "DT_COMPLEX128", "dcomplex_val", "<c16"),
        (19, "float16", "DT_HALF", "half_val", "<f2"),
        (22, "uint32", "DT_UINT32", "uint32_val", "<u4"),
        (23, "uint64", "DT_UINT64", "uint64_val", "<u8"),
        (24, "float8_e5m2", "DT_FLOAT8_E5M2", "float8_val", "u1"),
        (25, "float8_e4m3fn", "DT_FLOAT8_E4M3FN", "float8_val", "u1"),
        (26, "float8_e4m3fnuz", "DT_FLOAT8_E4M3FNUZ", "float8_val", "u1"),
        (27, "float8_e4m3b11fnuz", "DT_FLOAT8_E4M3B11FNUZ", "float8_val", "u1"),
        (28, "float8_e5m2fnuz", "DT_FLOAT8_E5M2FNUZ", "float8_val", "u1"),
    )
)

_BY_NUMBER = {row.number: row for row in DTYPES}
_BY_NAME = {name: row for row in DTYPES for name in (row.name, row.proto_name)}
# Quantised types share numpy's integers; an array of int8 is int8, not qint8.
_BY_NUMPY = {row.name: row for row in DTYPES if not row.name.startswith("q")}
STRING = _BY_NUMBER[7]

# What a signature may also name: handles inside the runtime, which never cross the wire, and types read by number only.
_NAMED_ONLY = {0: "invalid", 20: "resource", 21: "variant", 29: "int4", 30: "uint4", 31: "int2", 32: "uint2"}


def dtype_of_number(number: int) -> DType:
    """The type with TensorFlow's number.

    Raises:
        InvalidArgument: no tensor of this type crosses the wire.
    """
    row = _BY_NUMBER.get(number)
    if row is None:
        name = _NAMED_ONLY.get(number, f"number {number}")
        raise InvalidArgument(f"Tensors of dtype {name} cannot be sent or read.")
    return row


def dtype_of_name(name: str) -> DType:
    """The type called ``float32`` or ``DT_FLOAT``.

    Raises:
        InvalidArgument: there is no such type.
    """
    row = _BY_NAME.get(name)
    if row is None:
        raise InvalidArgument(
            f"There is no dtype {name!r}.", hint=f"Known are {', '.join(one.name for one in DTYPES)}."
        )
    return row


def dtype_of_array(array: np.ndarray[Any, Any]) -> DType:
    """The type of an array. Arrays of text, of bytes and of objects are strings.

    Raises:
        InvalidArgument: TensorFlow has no such type (dates, records, long doubles).
    """
    if array.dtype.kind in "SUO":
        return STRING
    row = _BY_NUMPY.get(array.dtype.name)
    if row is None:
        raise InvalidArgument(f"TensorFlow has no dtype for numpy's {array.dtype}.", hint="Convert the array first.")
    return row


@cache
def _numpy(row: DType) -> np.dtype[Any]:
    if row.is_bits:
        try:
            import ml_dtypes
        except ImportError:
            return np.dtype(row.stored)
        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, row.name))
        return extended
    return np.dtype(row.stored)
