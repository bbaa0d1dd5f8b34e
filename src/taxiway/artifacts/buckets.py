"""Signatures for fixed numbers of rows: how they are called, which ones a file has, which of them rows are given to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array
from taxiway.errors import InvalidArgument
from taxiway.wire.signatures import Signature, TensorSpec

__all__ = ["Chunk", "bucket_name", "buckets_of", "checked_batches", "chunks", "filled"]

MAX_BATCH_ROWS = 65_536
MAX_BATCHES = 16
_EXAMPLE = "--batches 1,4,8"


@dataclass(frozen=True)
class Chunk:
    """Rows that are asked at once: those from ``start`` up to ``stop``, filled up to ``size`` of them."""

    start: int
    stop: int
    size: int


def bucket_name(signature: str, batch: int) -> str:
    """What a signature is called for a fixed number of rows: ``serving_default_4``."""
    return f"{signature}_{batch}"


def checked_batches(batches: Sequence[Any]) -> tuple[int, ...]:
    """The numbers of rows, rising.

    Raises:
        InvalidArgument: one is no number of rows, is there twice, or there are too many.
    """
    for one in batches:
        if isinstance(one, bool) or not isinstance(one, int) or not 1 <= one <= MAX_BATCH_ROWS:
            raise InvalidArgument(
                f"{one!r} is no number of rows: those are whole, from 1 to {MAX_BATCH_ROWS:,}.", hint=_EXAMPLE
            )
        if list(batches).count(one) > 1:
            raise InvalidArgument(f"A batch of {one} is asked for twice.", hint=_EXAMPLE)
    if len(batches) > MAX_BATCHES:
        raise InvalidArgument(f"{len(batches)} batches are asked for, and a file has {MAX_BATCHES} at most.")
    return tuple(sorted(batches))


def buckets_of(name: str, signatures: Mapping[str, Signature]) -> dict[int, str]:
    """The signatures that are ``name`` for a fixed number of rows, by that number, rising.

    One is called ``NAME_N``, and has the inputs and outputs of ``NAME`` with N rows in each.
    """
    plain, found = signatures[name], {}
    for key, one in signatures.items():
        batch = key.removeprefix(f"{name}_")
        if batch != key and batch.isascii() and batch.isdigit() and key == bucket_name(name, int(batch)):
            same_inputs = _is_for(plain.inputs, one.inputs, int(batch), exactly=True)
            if same_inputs and _is_for(plain.outputs, one.outputs, int(batch), exactly=False):
                found[int(batch)] = key
    return dict(sorted(found.items()))


def chunks(rows: int, sizes: Collection[int]) -> list[Chunk]:
    """Rows cut up for signatures of these sizes: the largest while it is full, then the smallest for the rest."""
    largest, found, start = max(sizes), [], 0
    while start < rows:
        left = rows - start
        size = min((one for one in sizes if one >= left), default=largest)
        found.append(Chunk(start, min(start + size, rows), size))
        start += size
    return found


def filled(arrays: Mapping[str, Array], size: int) -> dict[str, Array]:
    """Rows filled up to ``size`` with the last one again: a real row computes as real rows do."""
    return {
        name: np.concatenate([one, np.repeat(one[-1:], size - len(one), axis=0)]) if len(one) < size else one
        for name, one in arrays.items()
    }


def _is_for(plain: Mapping[str, TensorSpec], other: Mapping[str, TensorSpec], batch: int, *, exactly: bool) -> bool:
    if set(plain) != set(other) or not plain:
        return False
    for name, spec in plain.items():
        own, shape = spec.shape, other[name].shape
        if other[name].number != spec.number or not shape or shape[0] != batch:
            return False
        if exactly and (not own or own[1:] != shape[1:]):
            return False
    return True
