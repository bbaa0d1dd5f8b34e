"""A SavedModel → the next version in a store, all at once or not at all, with a manifest."""

from __future__ import annotations

from taxiway.publish.api import Published, publish
from taxiway.publish.manifest import MANIFEST_FILE, Manifest, read_manifest, verify

__all__ = ["MANIFEST_FILE", "Manifest", "Published", "publish", "read_manifest", "verify"]
