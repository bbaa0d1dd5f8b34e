"""A SavedModel → the next version in a store, all at once or not at all, with a manifest."""

from __future__ import annotations

from taxiway.publish.api import Published, publish
from taxiway.publish.versions import diff_versions, label_version, list_versions, prune_versions, show_version
from taxiway.stores import MANIFEST_FILE, Manifest, read_manifest, verify

__all__ = [
    "MANIFEST_FILE",
    "Manifest",
    "Published",
    "diff_versions",
    "label_version",
    "list_versions",
    "prune_versions",
    "publish",
    "read_manifest",
    "show_version",
    "verify",
]
