"""Recorded requests asked again, of two versions: what would change, before any user sees it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxiway.replay.api import Replay, replay
    from taxiway.replay.compare import Difference, Summary

__all__ = ["Difference", "Replay", "Summary", "replay"]

# A server takes part of this package, and must not wait for numbers and gRPC before anybody asks for them.
_NAMES = {"Difference": "compare", "Replay": "api", "Summary": "compare", "replay": "api"}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
