"""Rows made up from a signature, where nobody gave real ones: enough to compare two programs, not to judge a model."""

from __future__ import annotations

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.wire.signatures import Signature, TensorSpec, shape_text
from taxiway.wire.tensors import Array

__all__ = ["made_up"]

_SEED = 20_240_229
# An input of pictures of 4096 × 4096 is still made up; one that would fill the memory is not.
_MAX_ELEMENTS = 1 << 27


def made_up(signature: Signature, rows: int, number: int = 0) -> dict[str, Array]:
    """Arrays of ``rows`` rows: normal numbers, 0 and 1 for whole ones, short texts.

    The same at each call; other ones of another ``number``.

    Raises:
        InvalidArgument: the shape of an input is not known, or there is no such array; the message names it.
    """
    generator = np.random.default_rng(_SEED + number)
    return {name: _array(generator, name, spec, rows) for name, spec in signature.inputs.items()}


def _array(generator: np.random.Generator, name: str, spec: TensorSpec, rows: int) -> Array:
    known = spec.shape is not None and all(size is not None for size in spec.shape[1:])
    if spec.shape is None or not known:
        raise InvalidArgument(f"the shape of {name!r} is {shape_text(spec.shape)}")
    shape = tuple(rows if size is None else size for size in spec.shape)
    if np.prod(shape, dtype=float) > _MAX_ELEMENTS:
        raise InvalidArgument(f"{name!r} with {rows} rows is too large to make up")
    if spec.dtype.is_string:
        texts = np.empty(int(np.prod(shape)), object)
        texts[:] = [f"row {number}".encode() for number in range(texts.size)]
        return texts.reshape(shape)
    target = spec.dtype.numpy
    if target.kind in "iub":
        # Whole numbers are mostly indices, and 0 and 1 are there in any table.
        return generator.integers(0, 2, shape).astype(target)
    numbers = generator.standard_normal(shape)
    return (numbers + 1j * generator.standard_normal(shape) if target.kind == "c" else numbers).astype(target)
