"""The few calls of an object store that :class:`taxiway.stores.objects.ObjectStore` is made of.

:class:`ObstoreBucket` makes them through ``obstore``, for ``s3://`` and ``gs://``. Credentials are found where each
cloud's own tools look: the environment, a service account's file, the machine's metadata address.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from taxiway.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    TaxiwayError,
    Unauthenticated,
    Unavailable,
)
from taxiway.stores.protocol import Document, Entry

__all__ = ["Bucket", "ObstoreBucket"]

T = TypeVar("T")
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 4
_RETRIES = 4
_RETRY_SECONDS = 20
_CONNECT_SECONDS = 5
_SILENCE_SECONDS = 20
# One call moves one part at most, so this is a bound on a part.
_CALL_SECONDS = 120
_MAX_REASON = 200
_CALL = re.compile(r"Error performing (\w+) (\w+://[^/\s]+)\S* in .*? - (.*)")


class Bucket(Protocol):
    """Objects by name. Errors are those of :class:`taxiway.stores.protocol.Store`."""

    def list(self, prefix: str, *, deep: bool) -> Sequence[Entry]:
        """What is under a prefix, which is empty or ends with ``/``: its children, or every object below."""
        ...

    def get(self, name: str) -> Document | None:
        """An object and its tag; None when it is not there."""
        ...

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """The bytes from ``start`` to just before ``end``; NotFound when the object is not there."""
        ...

    def put(self, name: str, data: bytes, expected: str | None) -> str:
        """Write a new object, or one whose tag is ``expected``; AlreadyExists or Aborted when that does not hold."""
        ...

    def upload(self, name: str, blocks: Iterator[bytes]) -> None:
        """Write an object, in parts when it is large; one that is there is replaced."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is not there is no error."""
        ...


class ObstoreBucket:
    """A prefix in a bucket of S3 or Google Cloud Storage.

    Args:
        url: ``s3://bucket/prefix`` or ``gs://bucket/prefix``.

    Raises:
        FailedPrecondition: ``obstore`` is not installed, or the environment's settings cannot be used.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
        except ImportError:
            raise FailedPrecondition(
                f"{url} needs the package obstore, which is not installed.", hint="pip install 'taxiway[cloud]'"
            ) from None
        self._calls: Any = obstore
        self._url = url
        self._store: Any = self._told(lambda: _opened(url))

    def list(self, prefix: str, *, deep: bool) -> Sequence[Entry]:
        """List all pages."""
        if deep:
            pages = self._told(lambda: [*self._calls.list(self._store, prefix or None)])
            return [_entry(one, one["path"].removeprefix(prefix)) for page in pages for one in page]
        found = self._told(lambda: self._calls.list_with_delimiter(self._store, prefix or None))
        folders = [Entry(_last(name), is_folder=True) for name in found["common_prefixes"]]
        # Consoles of clouds make objects that are called as a folder, "digits/": they have no last name.
        return [*folders, *(_entry(one, _last(one["path"])) for one in found["objects"] if _last(one["path"]))]

    def get(self, name: str) -> Document | None:
        """Get it whole."""
        try:
            result = self._told(lambda: self._calls.get(self._store, name))
            return Document(bytes(self._told(result.bytes)), _tag(result.meta))
        except NotFound:
            return None

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Get a part."""
        return bytes(self._told(lambda: self._calls.get_range(self._store, name, start=start, end=end)))

    def put(self, name: str, data: bytes, expected: str | None) -> str:
        """Put under a condition: If-None-Match, If-Match, or the generation."""
        mode: Any = "create" if expected is None else _condition(expected)
        return _tag(self._told(lambda: self._calls.put(self._store, name, data, mode=mode)))

    def upload(self, name: str, blocks: Iterator[bytes]) -> None:
        """Put, in parts when there is more than one block."""
        first = next(blocks, b"")
        second = next(blocks, None)
        if second is None:
            self._told(lambda: self._calls.put(self._store, name, first, use_multipart=False))
            return
        parts = _chained(first, second, blocks)
        self._told(
            lambda: self._calls.put(
                self._store, name, parts, use_multipart=True, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )
        )

    def delete(self, names: Sequence[str]) -> None:
        """Delete them, many in a call where the store can."""
        for name in names:
            try:
                self._told(lambda name=name: self._calls.delete(self._store, name))  # type: ignore[misc]
            except NotFound:
                continue

    def _told(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except TaxiwayError:
            raise
        except FileNotFoundError as error:
            raise NotFound(f"{self._url} has no such object or bucket: {_reason(error)}") from None
        except Exception as error:
            if not type(error).__module__.startswith("obstore"):
                raise
            raise _as_error(self._url, error) from None


def _opened(url: str) -> Any:
    from obstore.store import GCSStore, S3Store

    options: Any = {
        "timeout": timedelta(seconds=_CALL_SECONDS),
        "read_timeout": timedelta(seconds=_SILENCE_SECONDS),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "user_agent": "taxiway",
    }
    retry: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    if urlsplit(url).scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        options["allow_http"] = endpoint.startswith("http://")
        known: Any = {"endpoint": endpoint} if endpoint else {}
        return S3Store.from_url(url, client_options=options, retry_config=retry, **known)
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    emulator = emulator if not emulator or "://" in emulator else f"http://{emulator}"
    # What skips signatures is for reading public buckets; a key without a key is what writes without a token as well.
    keyless = {"gcs_base_url": emulator, "disable_oauth": True}
    keyless.update(dict.fromkeys(("client_email", "private_key", "private_key_id"), ""))
    settings: Any = {"service_account_key": json.dumps(keyless)} if emulator else {}
    options["allow_http"] = (emulator or os.environ.get("GOOGLE_BASE_URL", "")).startswith("http://")
    return GCSStore.from_url(url, client_options=options, retry_config=retry, **settings)


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _entry(meta: Any, name: str) -> Entry:
    return Entry(name, False, int(meta["size"]), meta["last_modified"].timestamp(), _tag(meta))


def _tag(meta: Any) -> str:
    # Generation and ETag together: Google's condition is on the one, S3's on the other.
    return f"{meta.get('version') or ''} {meta.get('e_tag') or ''}"


def _condition(tag: str) -> dict[str, str]:
    version, _, e_tag = tag.partition(" ")
    return {key: value for key, value in (("version", version), ("e_tag", e_tag)) if value}


def _reason(error: Exception) -> str:
    """One short line: who was called, and the end of the chain of causes. Without times, so equal causes read alike."""
    text = re.sub(r"\s+", " ", str(error).partition("\n\nDebug source")[0]).strip()
    if call := _CALL.search(text):
        text = f"{call[1]} {call[2]}: {call[3]}"
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]} …"


def _as_error(url: str, error: Exception) -> TaxiwayError:
    from obstore import exceptions

    reason = _reason(error)
    if isinstance(error, exceptions.AlreadyExistsError):
        return AlreadyExists(f"{url} has it already: {reason}")
    if isinstance(error, exceptions.PreconditionError):
        return Aborted(f"{url} was changed by another: {reason}", hint="Look again and repeat.")
    if isinstance(error, exceptions.PermissionDeniedError):
        return PermissionDenied(f"{url} refuses: {reason}", hint="Check what the credentials may do.")
    if isinstance(error, exceptions.UnauthenticatedError):
        return Unauthenticated(f"{url} does not accept the credentials: {reason}", hint="Check the credentials.")
    return Unavailable(f"{url} cannot be reached: {reason}", hint="Check the address, the network, the credentials.")
