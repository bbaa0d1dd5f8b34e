"""What a share of successes in some rows says of all rows."""

from __future__ import annotations

import math

__all__ = ["lower_bound", "rows_needed"]


def lower_bound(successes: int, rows: int, confidence: float) -> float:
    """The one-sided exact bound of Clopper and Pearson: the true share is at least this, at the confidence."""
    if successes == 0:
        return 0.0
    if successes == rows:
        return float((1 - confidence) ** (1 / rows))
    from scipy.special import betaincinv

    return float(betaincinv(successes, rows - successes + 1, 1 - confidence))


def rows_needed(share: float, confidence: float) -> int:
    """The fewest rows that can show a share, when every one of them is a success."""
    if share <= 0:
        return 1
    if share >= 1:
        raise ValueError("no number of rows shows a share of 1")
    needed = math.ceil(math.log(1 - confidence) / math.log(share))
    # The logarithms' rounding may be one row off either way.
    while lower_bound(needed, needed, confidence) < share:
        needed += 1
    while needed > 1 and lower_bound(needed - 1, needed - 1, confidence) >= share:
        needed -= 1
    return needed
