"""Recorded requests asked again, of two versions: what would change, before any user sees it."""

from __future__ import annotations

from taxiway.replay.api import Replay, replay
from taxiway.replay.compare import Difference, Summary

__all__ = ["Difference", "Replay", "Summary", "replay"]
