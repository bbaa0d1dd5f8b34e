"""What a file says of itself, inside it: which version it is made of, and what it was held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from taxiway.errors import DataLoss

__all__ = ["METADATA", "described", "with_description"]

METADATA = "taxiway"
"""The name of the metadata buffer; it holds JSON."""


def with_description(file: bytes, document: Mapping[str, Any]) -> bytes:
    """The file with a JSON document in it, under :data:`METADATA`; one that is there already is replaced."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(file, 0)
    buffer = schema.BufferT()
    buffer.data = list(json.dumps(document, ensure_ascii=False, allow_nan=False).encode())
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA, len(model.buffers) - 1
    kept = [one for one in model.metadata or [] if one.name not in (METADATA, METADATA.encode())]
    model.metadata = [*kept, entry]
    builder = flatbuffers.Builder(len(file) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def described(file: bytes) -> dict[str, Any]:
    """The document in a file; empty when it has none.

    Raises:
        DataLoss: it is no LiteRT file.
    """
    from ai_edge_litert import schema_py_generated as schema

    if file[4:8] != b"TFL3":
        raise DataLoss("It is no LiteRT file.")
    try:
        model = schema.Model.GetRootAs(file, 0)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == METADATA.encode():
                found: dict[str, Any] = json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
                return found
    except Exception as error:  # noqa: BLE001  a cut file makes flatbuffers raise what it likes
        raise DataLoss(f"It is no whole LiteRT file: {type(error).__name__}.") from None
    return {}
