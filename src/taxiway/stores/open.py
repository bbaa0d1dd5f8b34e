"""The store at a path or URL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from taxiway.clock import Clock, SystemClock
from taxiway.errors import InvalidArgument
from taxiway.stores.protocol import Store

__all__ = ["is_cloud", "open_store"]

_CLOUDS = ("s3", "gs")


def is_cloud(location: str | os.PathLike[str]) -> bool:
    """Whether a location is a URL of an object store, and no path on this machine."""
    return isinstance(location, str) and urlsplit(location).scheme in _CLOUDS and "://" in location


def open_store(location: str | os.PathLike[str], clock: Clock | None = None) -> Store:
    """The store at a directory's path, ``file://…``, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.

    Raises:
        InvalidArgument: the URL's scheme is unknown, or it names no bucket.
        FailedPrecondition: the package for it is not installed.
    """
    clock = clock or SystemClock()
    text = os.fspath(location)
    parts = urlsplit(text)
    if is_cloud(text):
        if not parts.netloc:
            raise InvalidArgument(f"{text} names no bucket.", hint=f"{parts.scheme}://bucket/prefix")
        from taxiway.stores.bucket import ObstoreBucket
        from taxiway.stores.objects import ObjectStore

        return ObjectStore(ObstoreBucket(text), text)
    if "://" in text and parts.scheme != "file":
        raise InvalidArgument(f"{text} is no store.", hint="A store is a directory, s3://bucket/prefix or gs://….")
    from taxiway.stores.directory import DirectoryStore

    return DirectoryStore(Path(unquote(parts.path) if parts.scheme == "file" else text), clock)
