"""Percentiles of counted values, and whether there are enough of them to be believed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["least_answers", "percentile"]

# So many answers must be slower than a percentile: with fewer the next run would say something else.
_BEYOND = 10


def percentile(histogram: Mapping[int, int], percent: float) -> float:
    """The nearest-rank percentile of a histogram of values.

    Raises:
        ValueError: the histogram is empty or ``percent`` is not within 0 to 100.
    """
    total = sum(histogram.values())
    if total == 0 or not 0 <= percent <= 100:
        raise ValueError(f"no {percent}th percentile of {total} samples")
    rank = max(1, math.ceil(total * percent / 100))
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= rank:
            return float(value)
    raise AssertionError("the counts of a histogram add up to its total")


def least_answers(percent: float) -> int:
    """How many values a percentile needs: ten lie beyond it, so 1,000 for the 99th and 10,000 for the 99.9th."""
    return math.ceil(round(_BEYOND * 100 / (100 - percent), 6))
