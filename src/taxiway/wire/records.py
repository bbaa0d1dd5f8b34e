"""TFRecord files: a length, its masked CRC-32C, the bytes, their masked CRC-32C; again and again."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from taxiway.errors import DataLoss
from taxiway.wire.crc32c import masked_crc32c

__all__ = ["WARM_UP_FILE", "read_records", "write_records"]

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
"""Where a SavedModel keeps requests to be run before it serves: records of ``PredictionLog``."""

_HEADER_BYTES = 12


def write_records(path: str | os.PathLike[str], records: Iterable[bytes]) -> int:
    """Write a file of records, replacing it; returns how many there are."""
    count = 0
    with Path(path).open("wb") as file:
        for record in records:
            count += 1
            length = struct.pack("<Q", len(record))
            file.write(length + struct.pack("<I", masked_crc32c(length)) + record)
            file.write(struct.pack("<I", masked_crc32c(record)))
    return count


def read_records(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The records of a file, one after another.

    Raises:
        DataLoss: the file ends inside a record, or a checksum is wrong. Records before that were good.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        start = 0
        while header := file.read(_HEADER_BYTES):
            if len(header) < _HEADER_BYTES:
                raise DataLoss(f"{path} ends inside the header of the record at byte {start}.")
            length, crc = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != crc:
                raise DataLoss(f"{path} has a wrong checksum of the length at byte {start}: it is no TFRecord file.")
            if start + _HEADER_BYTES + length + 4 > size:
                raise DataLoss(f"{path} ends inside the record at byte {start}.")
            record = file.read(length)
            if masked_crc32c(record) != struct.unpack("<I", file.read(4))[0]:
                raise DataLoss(f"{path} has a wrong checksum of the record at byte {start}.")
            yield record
            start += _HEADER_BYTES + length + 4
