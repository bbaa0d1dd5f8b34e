"""Where versions live: a directory, ``s3://``, ``gs://``; what a version there is, and who may remove it."""

from __future__ import annotations

from taxiway.stores.artifacts import Made, add_artifacts, damaged_artifacts, pull_artifact
from taxiway.stores.diff import diff
from taxiway.stores.labels import Labels, read_labels, resolve, set_label
from taxiway.stores.manifest import (
    MANIFEST_FILE,
    Artifact,
    File,
    Manifest,
    digest_of,
    parse_manifest,
    read_manifest,
    verify,
)
from taxiway.stores.open import is_cloud, open_store
from taxiway.stores.protocol import Document, Entry, Finish, Store
from taxiway.stores.prune import Verdict, prune
from taxiway.stores.pull import cached_versions, pull, pull_artifacts
from taxiway.stores.shelf import Shelf, checked_name, models
from taxiway.stores.uses import Use, uses

__all__ = [
    "MANIFEST_FILE",
    "Artifact",
    "Document",
    "Entry",
    "File",
    "Finish",
    "Labels",
    "Made",
    "Manifest",
    "Shelf",
    "Store",
    "Use",
    "Verdict",
    "add_artifacts",
    "cached_versions",
    "checked_name",
    "damaged_artifacts",
    "diff",
    "digest_of",
    "is_cloud",
    "models",
    "open_store",
    "parse_manifest",
    "prune",
    "pull",
    "pull_artifact",
    "pull_artifacts",
    "read_labels",
    "read_manifest",
    "resolve",
    "set_label",
    "uses",
    "verify",
]
