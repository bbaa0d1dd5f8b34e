"""Version directories for tests that need files and no model."""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["write_saved_model", "write_tflite"]


def write_saved_model(path: Path, size_bytes: int = 40) -> Path:
    """Write a directory with the files of a SavedModel: well formed as protobuf, of no use to an engine.

    Args:
        path: the version's directory, made when it is not there.
        size_bytes: the length of its one meta graph, below 128.

    Returns:
        ``path``.
    """
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"\x08\x01\x12" + bytes([size_bytes]) + bytes(size_bytes))
    (path / "variables" / "variables.index").write_bytes(b"index")
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(b"data")
    return path


def write_tflite(path: Path) -> Path:
    """Write a ``model.tflite`` that is whole and has one empty subgraph: of no use to an engine.

    Args:
        path: the version's directory, made when it is not there.

    Returns:
        ``path``.
    """
    path.mkdir(parents=True, exist_ok=True)
    # By offset: 0 root and identifier, 8 the model's fields, 20 the model, 28 its subgraphs, 36 and 40 the only one.
    model = struct.pack("<I4s 3H2HH iI II 2Hi", 20, b"TFL3", 10, 8, 0, 0, 4, 0, 12, 4, 1, 8, 4, 4, 4)
    (path / "model.tflite").write_bytes(model)
    return path
