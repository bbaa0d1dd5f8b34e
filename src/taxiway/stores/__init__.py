"""Where versions live: a directory, ``s3://``, ``gs://``; what a version there is, and who may remove it."""

from __future__ import annotations

from taxiway.stores.diff import diff
from taxiway.stores.labels import Labels, read_labels, resolve, set_label
from taxiway.stores.manifest import MANIFEST_FILE, File, Manifest, digest_of, parse_manifest, read_manifest, verify
from taxiway.stores.open import is_cloud, open_store
from taxiway.stores.protocol import Document, Entry, Finish, Store
from taxiway.stores.prune import Verdict, prune
from taxiway.stores.pull import cached_versions, pull
from taxiway.stores.shelf import Shelf, checked_name, models
from taxiway.stores.uses import Use, uses

__all__ = [
    "MANIFEST_FILE",
    "Document",
    "Entry",
    "File",
    "Finish",
    "Labels",
    "Manifest",
    "Shelf",
    "Store",
    "Use",
    "Verdict",
    "cached_versions",
    "checked_name",
    "diff",
    "digest_of",
    "is_cloud",
    "models",
    "open_store",
    "parse_manifest",
    "prune",
    "pull",
    "read_labels",
    "read_manifest",
    "resolve",
    "set_label",
    "uses",
    "verify",
]
