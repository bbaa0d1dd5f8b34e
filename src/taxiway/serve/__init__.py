"""Serving: what stands in a directory comes to answer requests.

observe     source, completeness          what is there, and is it whole
decide      plan, lifecycle, retry        pure functions of what is wanted, what is there, and the time
act         loop, server                  loads, unloads, one table swap
operate     admin, api                    status, rollback, hold, release
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle, serve

__all__ = ["ServeHandle", "serve"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from taxiway.serve import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
