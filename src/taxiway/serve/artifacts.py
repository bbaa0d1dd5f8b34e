"""The artefacts of versions, as a table names them: what a client may download, and where it lies."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from taxiway.errors import TaxiwayError
from taxiway.stores import MANIFEST_FILE, Artifact, read_manifest
from taxiway.types import JsonObject

__all__ = ["Listings"]


class Listings:
    """What manifests list, each read again when it changed.

    Args:
        missing: what is said of artefacts that this machine does not have; empty when it always has them.
    """

    def __init__(self, missing: str = "") -> None:
        self._missing = missing
        self._read: dict[Path, tuple[tuple[int, int], Mapping[str, Artifact]]] = {}

    def of(self, directory: Path) -> JsonObject:
        """The artefacts of the version in a directory, by name without ``artifacts/``; none without a manifest."""
        try:
            status = os.stat(directory / MANIFEST_FILE)
            stamp = (status.st_ino, status.st_mtime_ns)
            known = self._read.get(directory)
            if known is None or known[0] != stamp:
                known = self._read[directory] = (stamp, read_manifest(directory).artifacts)
        except (OSError, TaxiwayError):  # whether the version is whole is told elsewhere
            self._read.pop(directory, None)
            return {}
        return {name.partition("/")[2]: self._entry(directory, one) for name, one in known[1].items()}

    def keep(self, directories: Collection[Path]) -> None:
        """Forget all others."""
        self._read = {path: known for path, known in self._read.items() if path in directories}

    def _entry(self, directory: Path, artifact: Artifact) -> JsonObject:
        path = directory / artifact.stored
        there = not self._missing or path.is_file()
        return {
            "target": artifact.target,
            "variant": artifact.variant,
            "bytes": artifact.file.size_bytes,
            "sha256": artifact.file.sha256,
            "contract": dict(artifact.contract),
            "path": str(path) if there else None,
            "missing": "" if there else self._missing,
        }
