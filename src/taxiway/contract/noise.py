"""How far answers differ with nothing wrong: what the original itself makes of an input moved by rounding.

No fixed tolerance is right for every model. Two programs that add the same numbers in another order differ, and a model
may amplify that: MobileNetV2 with random weights is 0.02 away from its own answer in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from taxiway.contract.agreement import Array, Outputs, compare

__all__ = [
    "NOISE_FACTOR",
    "SMALLEST_TOLERANCE",
    "floor_of",
    "noise_floor",
    "nudged",
    "row_noise",
    "tolerance",
    "too_noisy",
]

SMALLEST_TOLERANCE = 1e-5
NOISE_FACTOR = 8.0
LARGEST_SHARE = 0.01
"""The most that rounding may excuse, as a part of the numbers' size: more would excuse another model."""
_STEP_ROWS = 0.1


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


def row_noise(reference: Outputs, others: Iterable[Outputs]) -> Array:
    """As :func:`noise_floor`, row by row; 0 where a difference is not finite."""
    found = [compare(reference, other).row_differences for other in others]
    most: Array = np.max([np.where(np.isfinite(one), one, 0.0) for one in found], axis=0)
    return most


def floor_of(noise: Array, scale: float) -> tuple[float, int]:
    """The noise floor of rows, and how many rows at a step it leaves out.

    A row at a step (the border between two buckets) moves by the step's height, which says nothing of the others. Rows
    that move by more than may ever be allowed are left out where they are few, a tenth at most.

    Args:
        noise: see :func:`row_noise`.
        scale: the size of the numbers, at least 1.
    """
    steps = NOISE_FACTOR * noise > LARGEST_SHARE * max(1.0, scale)
    left_out = int(steps.sum())
    if left_out > _STEP_ROWS * len(noise):
        return float(noise.max()), 0
    return float(noise[~steps].max(initial=0.0)), left_out


def too_noisy(floor: float, scale: float = 1.0) -> bool:
    """Whether rounding moves the model further than may be allowed."""
    return NOISE_FACTOR * floor > LARGEST_SHARE * max(1.0, scale)


def tolerance(floor: float, scale: float = 1.0) -> float:
    """How far apart answers may be that are meant to be the same: what rounding explains, and never more than 1 %.

    Args:
        floor: see :func:`noise_floor`.
        scale: the size of the numbers, at least 1.
    """
    size = max(1.0, scale)
    return min(max(SMALLEST_TOLERANCE * size, NOISE_FACTOR * floor), LARGEST_SHARE * size)
