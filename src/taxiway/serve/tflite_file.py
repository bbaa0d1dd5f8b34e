"""Whether a LiteRT file is whole: LiteRT's library trusts each offset in it, and one that leads out ends the process.

A flatbuffer holds its parts by offsets. All that the schema of TensorFlow Lite calls model, subgraphs, tensors,
operators, buffers and signatures is followed here, no further than that: a file that was cut off has lost one of them.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

__all__ = ["is_whole"]

_IDENTIFIER = b"TFL3"
_HEADER_BYTES = 8
_TEXT, _BYTES, _INTS = "text", "bytes", "ints"
_ITEM_BYTES = {_TEXT: 1, _BYTES: 1, _INTS: 4}
# By table: what stands in the fields that lead elsewhere, by the field's number. A name of this table means a vector
# of such tables.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "Model": {
        1: "OperatorCode", 2: "SubGraph", 3: _TEXT, 4: "Buffer", 5: _INTS, 6: "Metadata", 7: "SignatureDef",
    },
    "OperatorCode": {1: _TEXT},
    "SubGraph": {0: "Tensor", 1: _INTS, 2: _INTS, 3: "Operator", 4: _TEXT},
    "Tensor": {0: _INTS, 3: _TEXT, 7: _INTS},
    "Operator": {1: _INTS, 2: _INTS},
    "Buffer": {0: _BYTES},
    "Metadata": {0: _TEXT},
    "SignatureDef": {0: "TensorMap", 1: "TensorMap", 2: _TEXT},
    "TensorMap": {0: _TEXT},
}  # fmt: skip
_SUBGRAPHS = 2
# Of a buffer whose bytes stand behind the flatbuffer: where, and how many. An offset of 0 or 1 means that they do not.
_BUFFER_OFFSET, _BUFFER_SIZE = 1, 2


def is_whole(path: Path) -> bool:
    """Whether the file holds all that it speaks of.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if header[4:] != _IDENTIFIER:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                root = _follow(data, 0)
                return _field(data, root, _SUBGRAPHS) is not None and _walks(data, root)
            except (struct.error, IndexError):  # a place outside of the file
                return False


def _walks(data: mmap.mmap, root: int) -> bool:
    """Whether every vector of every table lies in the file."""
    left = [("Model", root)]
    while left:
        kind, table = left.pop()
        for number, what in _FIELDS[kind].items():
            place = _field(data, table, number)
            if place is None:
                continue
            vector = _follow(data, place)
            count = _u32(data, vector)
            if vector + 4 + count * _ITEM_BYTES.get(what, 4) > len(data):
                return False
            if what in _FIELDS:
                left += [(what, _follow(data, vector + 4 + 4 * index)) for index in range(count)]
        if kind == "Buffer" and not _outside_is_there(data, table):
            return False
    return True


def _outside_is_there(data: mmap.mmap, buffer: int) -> bool:
    offset, size = (
        0 if place is None else struct.unpack_from("<Q", data, place)[0]
        for place in (_field(data, buffer, _BUFFER_OFFSET), _field(data, buffer, _BUFFER_SIZE))
    )
    return offset <= 1 or offset + size <= len(data)


def _field(data: mmap.mmap, table: int, number: int) -> int | None:
    """Where a table's field stands; None when the table leaves it out."""
    index = table - struct.unpack_from("<i", data, table)[0]
    if index < 0:
        raise IndexError(index)
    index_bytes, table_bytes = struct.unpack_from("<HH", data, index)
    if index + index_bytes > len(data) or table + table_bytes > len(data):
        raise IndexError(table)
    entry = 4 + 2 * number
    offset: int = struct.unpack_from("<H", data, index + entry)[0] if entry < index_bytes else 0
    return table + offset if offset else None


def _follow(data: mmap.mmap, place: int) -> int:
    return place + _u32(data, place)


def _u32(data: mmap.mmap, place: int) -> int:
    number: int = struct.unpack_from("<I", data, place)[0]
    return number
