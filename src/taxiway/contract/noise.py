"""How far answers differ with nothing wrong: what the original itself makes of an input moved by rounding.

No fixed tolerance is right for every model. Two programs that add the same numbers in another order differ, and a model
may amplify that: MobileNetV2 with random weights is 0.02 away from its own answer in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from taxiway.contract.agreement import Array, Outputs, compare

__all__ = ["NOISE_FACTOR", "SMALLEST_TOLERANCE", "noise_floor", "nudged", "tolerance"]

SMALLEST_TOLERANCE = 1e-5
NOISE_FACTOR = 8.0


def nudged(inputs: Mapping[str, Array], towards: float = np.inf) -> dict[str, Array]:
    """The inputs with every floating-point number moved by one unit in the last place."""
    return {
        name: np.nextafter(one, np.asarray(towards, one.dtype), dtype=one.dtype) if one.dtype.char in "efd" else one
        for name, one in inputs.items()
    }


def noise_floor(reference: Outputs, others: Iterable[Outputs]) -> float:
    """The largest difference between the original's answers and the same original's, asked almost the same.

    Args:
        reference: its answers.
        others: its answers to :func:`nudged` rows, or to the same rows in other batches.
    """
    found = (compare(reference, other).largest_difference for other in others)
    return max((one for one in found if np.isfinite(one)), default=0.0)


def tolerance(floor: float, scale: float = 1.0) -> float:
    """How far apart answers may be that are meant to be the same.

    Args:
        floor: see :func:`noise_floor`.
        scale: the size of the numbers, at least 1.
    """
    return max(SMALLEST_TOLERANCE * max(1.0, scale), NOISE_FACTOR * floor)
