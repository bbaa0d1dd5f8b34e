"""A model in memory → a SavedModel with named signatures, preprocessing inside, warm-up requests; checked."""

from __future__ import annotations

from taxiway.export.api import Exported, ExportOptions, export
from taxiway.export.compare import Comparison

__all__ = ["Comparison", "ExportOptions", "Exported", "export"]
