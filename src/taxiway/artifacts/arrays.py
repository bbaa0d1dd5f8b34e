"""Arrays by name in a file, for another process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array

__all__ = ["load", "save"]

# NumPy's own parameters are names too: without this, an input could not be called "file".
_PREFIX = "="


def save(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write them."""
    named: dict[str, Any] = {_PREFIX + name: np.asarray(one) for name, one in arrays.items()}
    np.savez(path, **named)


def load(path: str | Path) -> dict[str, Array]:
    """Read them."""
    with np.load(path) as kept:
        return {name.removeprefix(_PREFIX): kept[name] for name in kept.files}
