"""Rollouts: a plan, its states, what the evidence says, what to do next. All of that decides; ``controller`` acts.

What people do with the rollouts of a running server are functions of this package: ``taxiway.rollout.start``, ….
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxiway.rollout.commands import abort, pause, promote, resume, start, status, watch

__all__ = ["abort", "pause", "promote", "resume", "start", "status", "watch"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from taxiway.rollout import commands

        return getattr(commands, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
