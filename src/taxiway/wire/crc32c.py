"""CRC-32C (Castagnoli), the checksum of TFRecord files, at numpy's speed.

A CRC is linear: the CRC of a long text is that of its pieces, each moved along by the length of what follows it. So the
pieces are run side by side, one numpy step a byte position, and joined in one pass.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["crc32c", "masked_crc32c"]

_POLYNOMIAL = 0x82F63B78
_PIECE_BYTES = 1024
_ALL = 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The checksum of ``data``."""
    state, start = _ALL, 0
    pieces = len(data) // _PIECE_BYTES
    if pieces >= 4:
        start = pieces * _PIECE_BYTES
        moved = _move_tables()
        for piece in _states(np.frombuffer(data, np.uint8, start).reshape(pieces, _PIECE_BYTES)):
            state = (
                moved[0][state & 255]
                ^ moved[1][state >> 8 & 255]
                ^ moved[2][state >> 16 & 255]
                ^ moved[3][state >> 24]
                ^ piece
            )
    table = _table()[1]
    for byte in data[start:]:
        state = table[(state ^ byte) & 255] ^ (state >> 8)
    return state ^ _ALL


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord stores it, turned so that a checksum of checksums stays sound."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ALL


@cache
def _table() -> tuple[np.ndarray[Any, np.dtype[np.uint32]], list[int]]:
    values = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        values.append(byte)
    return np.array(values, np.uint32), values


def _states(pieces: np.ndarray[Any, np.dtype[np.uint8]]) -> list[int]:
    """The state after each row of (n, bytes), every row starting from zero."""
    table = _table()[0]
    state = np.zeros(len(pieces), np.uint32)
    for column in pieces.T:
        state = table[(state ^ column) & 255] ^ (state >> 8)
    result: list[int] = state.tolist()
    return result


@cache
def _move_tables() -> list[list[int]]:
    """For each byte of a state, what it becomes after a piece of zero bytes."""
    table = _table()[0]
    tables = []
    for shift in (0, 8, 16, 24):
        state = np.arange(256, dtype=np.uint32) << np.uint32(shift)
        for _ in range(_PIECE_BYTES):
            state = table[state & 255] ^ (state >> 8)
        tables.append(state.tolist())
    return tables
