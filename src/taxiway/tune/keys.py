"""Keys of documents that people write: an unknown one is named, with the known one that is nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.train.request import nearest

__all__ = ["check_keys"]


def check_keys(document: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Hold a document to the keys it may have.

    Raises:
        InvalidArgument: it has another.
    """
    for key in document:
        if key not in known:
            raise InvalidArgument(f"{where} has an unknown key {key!r}.", hint=nearest(str(key), known, "Known: "))
