"""Every setting there is: one table of rows, read from ``taxiway.toml``, the environment and the command line."""

from __future__ import annotations

from taxiway.settings.read import read_settings
from taxiway.settings.table import (
    AUTO_BATCHED,
    BATCHING_WORDS,
    NOT_BATCHED,
    SECTIONS,
    Batching,
    ModelSettings,
    Row,
    ServerSettings,
    Settings,
    in_database,
    recordings,
    rows,
)

__all__ = [
    "AUTO_BATCHED",
    "BATCHING_WORDS",
    "NOT_BATCHED",
    "SECTIONS",
    "Batching",
    "ModelSettings",
    "Row",
    "ServerSettings",
    "Settings",
    "read_settings",
    "in_database",
    "recordings",
    "rows",
]
