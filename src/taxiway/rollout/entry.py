"""An event to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Entry"]


@dataclass(frozen=True)
class Entry:
    """An event to be, without who and when; ``replaces`` is the journal's."""

    kind: str
    data: dict[str, Any]
    replaces: int = 0
