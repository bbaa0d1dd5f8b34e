"""A model in memory → a SavedModel with named signatures, preprocessing inside, warm-up requests; checked."""

from __future__ import annotations

from taxiway.export.api import Exported, ExportOptions, export
from taxiway.export.compare import Comparison
from taxiway.export.examples import Classify, Examples, Regress
from taxiway.export.load import load_keras
from taxiway.export.profiled import ProfileRows

__all__ = [
    "Classify",
    "Comparison",
    "Examples",
    "Regress",
    "ExportOptions",
    "Exported",
    "ProfileRows",
    "export",
    "load_keras",
]
