"""What building artefacts shares, wherever they run: the original and its answers, the rows, the place they go to."""

from __future__ import annotations

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.asked import asked_original, asked_rows
from taxiway.artifacts.rows import Rows, rows_of
from taxiway.artifacts.source import Source, located, numeric, published, signature_of
from taxiway.artifacts.workshop import Died, Workshop
from taxiway.artifacts.write import kept_before, placed

__all__ = [
    "Died",
    "Rows",
    "Source",
    "Workshop",
    "asked_original",
    "asked_rows",
    "kept_before",
    "load",
    "located",
    "numeric",
    "placed",
    "published",
    "rows_of",
    "save",
    "signature_of",
]
