"""Version directories for tests that need files and no model."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_saved_model"]


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
