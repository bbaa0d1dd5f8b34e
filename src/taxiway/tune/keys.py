"""Keys of documents that people write: an unknown one is named, with the known one that is nearest."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from taxiway.errors import InvalidArgument

__all__ = ["check_keys", "near"]


def near(name: str, known: Sequence[str], otherwise: str) -> str:
    """``Did you mean …?``, or the list of what is known after ``otherwise``."""
    found = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {found[0]}?" if found else otherwise + ", ".join(known)


def check_keys(document: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Hold a document to the keys it may have.

    Raises:
        InvalidArgument: it has another.
    """
    for key in document:
        if key not in known:
            raise InvalidArgument(f"{where} has an unknown key {key!r}.", hint=near(str(key), known, "Known: "))
