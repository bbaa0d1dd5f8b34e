"""The manifest of a version: what it is made of, where it comes from, how good it is.

It is written last, so a version with a manifest is whole. ``schema`` is raised when a reader of the old one would
misread the new one; keys may be added without. What is made of a version later, its artefacts, is added to the manifest
(``artifacts.py``); its files never change.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from taxiway.errors import DataLoss, InvalidArgument, NotFound, Unimplemented
from taxiway.types import JsonObject

__all__ = [
    "ARTIFACTS",
    "MANIFEST_FILE",
    "SCHEMA",
    "Artifact",
    "File",
    "Manifest",
    "check_file",
    "digest_of",
    "parse_manifest",
    "read_manifest",
    "verify",
]

MANIFEST_FILE = "taxiway.json"
ARTIFACTS = "artifacts"
SCHEMA = 1
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class File:
    """A file's size and what its bytes add up to."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """A file that was made of a version for another place to run it.

    Attributes:
        target: where it runs: ``edge`` or ``browser``.
        variant: which of the target's it is, such as ``int8``.
        file: its size and digest.
        stored: where its bytes are, by path under the version with ``/`` between.
        contract: how its answers were held to the version's; empty for a file that goes with another.
    """

    target: str
    variant: str
    file: File
    stored: str
    contract: JsonObject = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "target": self.target,
            "variant": self.variant,
            "bytes": self.file.size_bytes,
            "sha256": self.file.sha256,
            "stored": self.stored,
            "contract": dict(self.contract),
        }


@dataclass(frozen=True)
class Manifest:
    """One version.

    Attributes:
        model: its name.
        version: its number.
        files: every file but the manifest and the artefacts, by path under the version with ``/`` between.
        signatures: by name, as JSON; empty when only a LiteRT file is there.
        lineage: ``created_at`` (UTC, ISO 8601), ``created_by``, ``git_commit``, versions of what made it, and whatever
            the publisher added.
        metrics: what the publisher measured, by name.
        comparison: by signature, how far its answers are from those of the model it was exported from; empty when
            the export did not say.
        profile: which of the files describes the training rows; empty when none does.
        artifacts: what was made of it for other places, by name: ``artifacts/edge/int8.tflite``.
        litert: what publishing found of LiteRT in TensorFlow's place: the ``file`` or null, the ``reason``, and of each
            of ``signatures`` how alike it answers and how fast; empty when it did not look.
    """

    model: str
    version: int
    files: Mapping[str, File]
    signatures: JsonObject
    lineage: JsonObject
    metrics: JsonObject
    comparison: JsonObject = field(default_factory=dict)
    profile: str = ""
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    litert: JsonObject = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """All files together, artefacts left out."""
        return sum(file.size_bytes for file in self.files.values())

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "version": self.version,
            "files": {
                name: {"bytes": file.size_bytes, "sha256": file.sha256} for name, file in sorted(self.files.items())
            },
            "signatures": dict(self.signatures),
            "lineage": dict(self.lineage),
            "metrics": dict(self.metrics),
            **({"comparison": dict(self.comparison)} if self.comparison else {}),
            **({"profile": self.profile} if self.profile else {}),
            **({"litert": dict(self.litert)} if self.litert else {}),
            **(
                {"artifacts": {n: one.as_json() for n, one in sorted(self.artifacts.items())}} if self.artifacts else {}
            ),
        }

    def as_bytes(self) -> bytes:
        """The document as it stands on disk.

        Raises:
            InvalidArgument: it holds what JSON does not, such as NaN.
        """
        try:
            return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        except (TypeError, ValueError) as error:
            raise InvalidArgument(
                f"The metrics or the lineage of {self.model} cannot be written as JSON: {error}.",
                hint="Numbers that are finite, texts, lists; float(…) makes a number of NumPy's.",
            ) from None


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in ``data``.

    Raises:
        DataLoss: it is not one.
        Unimplemented: a newer Taxiway wrote it.
    """
    try:
        document = json.loads(data)
        schema = document["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise Unimplemented(f"{where} has schema {schema}; this Taxiway reads {SCHEMA}.", hint="Upgrade Taxiway.")
        return Manifest(
            model=str(document["model"]),
            version=int(document["version"]),
            files={
                _inside(name): File(int(one["bytes"]), str(one["sha256"])) for name, one in document["files"].items()
            },
            signatures=dict(document["signatures"]),
            lineage=dict(document["lineage"]),
            metrics=dict(document["metrics"]),
            comparison=dict(document.get("comparison", {})),
            profile=str(document.get("profile", "")),
            artifacts={_inside(name): _artifact(one) for name, one in document.get("artifacts", {}).items()},
            litert=dict(document.get("litert", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataLoss(f"{where} is no manifest: {type(error).__name__}: {error}") from None


def _artifact(one: Any) -> Artifact:
    file = File(int(one["bytes"]), str(one["sha256"]))
    return Artifact(str(one["target"]), str(one["variant"]), file, _inside(str(one["stored"])), dict(one["contract"]))


def _inside(name: str) -> str:
    parts = name.split("/")
    if "" in parts or ".." in parts or "\0" in name:
        raise ValueError(f"it names a file outside it: {name}")
    return name


def read_manifest(directory: str | os.PathLike[str]) -> Manifest:
    """The manifest of the version in ``directory``.

    Raises:
        NotFound: it has none, as versions that were not published by Taxiway.
        DataLoss: it cannot be read.
    """
    path = Path(directory) / MANIFEST_FILE
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{directory} has no manifest ({MANIFEST_FILE}).") from None


def verify(directory: str | os.PathLike[str]) -> Manifest:
    """Hold the version in ``directory`` to its manifest.

    Returns:
        The manifest, every file of which is there with the right bytes. Other files are not looked at, nor are
        artefacts: a version is whole without them.

    Raises:
        NotFound: there is no manifest.
        DataLoss: a file is missing or differs; the message names the first one.
    """
    manifest = read_manifest(directory)
    for name, expected in sorted(manifest.files.items()):
        check_file(Path(directory) / name, expected)
    return manifest


def check_file(path: Path, expected: File) -> None:
    """Hold a file to what its manifest says.

    Raises:
        DataLoss: it is missing or differs.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes != expected.size_bytes:
            raise DataLoss(f"{path} has {size_bytes} bytes; its manifest says {expected.size_bytes}.")
        with path.open("rb") as file:
            digest = digest_of(file)
    except OSError as error:
        raise DataLoss(f"{path} is in the manifest and cannot be read: {error.strerror}.") from None
    if digest != expected.sha256:
        raise DataLoss(f"{path} is not what was published: its SHA-256 differs from the manifest's.")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def digest_of(file: _Readable, each: Callable[[bytes], object] | None = None) -> str:
    """The SHA-256 of what ``file`` still holds, in hexadecimal; ``each`` is given every block."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        if each is not None:
            each(block)
    return digest.hexdigest()
