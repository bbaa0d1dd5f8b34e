"""Two versions on the same requests: which is right more often?

Only requests on which exactly one of the two is right tell them apart. Let ``better`` be those where the new version is
right, ``worse`` those where the old one is, ``same`` all others (McNemar 1947). Three counts are all that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from taxiway.rollout.evidence.evalue import EValue, Interval
from taxiway.rollout.evidence.mixture import Floats, log_above, log_either

__all__ = [
    "Paired",
    "difference",
    "log_e_differs",
    "log_e_more_wrong",
    "log_e_not_worse",
    "not_worse",
    "paired",
    "paired_harm",
]

CONCENTRATION = 10.0
_PRIOR = (CONCENTRATION / 2, CONCENTRATION / 2)
# The stakes that are averaged over, as shares of the largest that cannot lose all: dense where small ones grow best.
_STAKES = np.geomspace(1e-4, 0.98, 48)


@dataclass(frozen=True)
class Paired:
    """Requests that both versions answered: only the new one right, only the old one right, no difference."""

    better: float = 0
    worse: float = 0
    same: float = 0

    @property
    def total(self) -> float:
        """All of them."""
        return self.better + self.worse + self.same


def log_e_differs(better: ArrayLike, worse: ArrayLike) -> Floats:
    """The logarithm of E against "both are right equally often"; broadcasts.

    With b better and c worse: ln B(5+c, 5+b) − ln B(5, 5) + (b+c) ln 2.
    """
    return log_either(worse, np.add(better, worse), 0.5, _PRIOR)


def log_e_more_wrong(better: ArrayLike, worse: ArrayLike, margin: float = 0.0) -> Floats:
    """The logarithm of E against "where one is wrong, the new one is in at most ½ + ``margin`` of the cases"."""
    p0 = 0.5 + margin
    return log_above(worse, np.add(better, worse), p0, (CONCENTRATION * p0, CONCENTRATION * (1 - p0)))


def log_e_not_worse(better: ArrayLike, worse: ArrayLike, same: ArrayLike, points: float) -> Floats:
    """The logarithm of E against "the new version is right less often, by ``points`` (a fraction) or more"; broadcasts.

    With x = 1, −1 or 0 a request, the claim is E[x] ≤ −points. Betting a stake λ on the opposite multiplies the wealth
    by 1 + λ(x + points), which gains nothing in expectation while the claim holds; the wealths of 48 stakes are
    averaged. Source: Waudby-Smith and Ramdas, betting on bounded means (arXiv 2010.09686).
    """
    b, c, t = (np.asarray(each, np.float64)[..., None] for each in (better, worse, same))
    stakes = _STAKES / (1 - points)
    wealth = b * np.log1p(stakes * (1 + points)) + c * np.log1p(stakes * (points - 1)) + t * np.log1p(stakes * points)
    return np.asarray(special.logsumexp(wealth, axis=-1) - np.log(len(stakes)), np.float64)


def paired(counts: Paired) -> EValue:
    """Evidence that the two versions are not right equally often, whichever is better."""
    return EValue(float(log_e_differs(counts.better, counts.worse)))


def paired_harm(counts: Paired, margin: float = 0.0) -> EValue:
    """Evidence that, where they differ, the new version is the wrong one in more than ½ + ``margin`` of the cases."""
    return EValue(float(log_e_more_wrong(counts.better, counts.worse, margin)))


def not_worse(counts: Paired, points: float) -> EValue:
    """Evidence that the new version's accuracy is less than ``points`` (a fraction, 0.01 is one point) below the old.

    ``points`` must be above 0. It needs no request on which they differ: versions that always agree prove it too.
    """
    return EValue(float(log_e_not_worse(counts.better, counts.worse, counts.same, points)))


def difference(counts: Paired, alpha: float) -> Interval:
    """The new version's accuracy minus the old one's, with bounds that hold at all times with chance 1 − ``alpha``.

    The bounds are the margins, each way, that the betting test at α/2 does not reject.
    """
    if counts.total == 0:
        return Interval(0.0, -1.0, 1.0)
    estimate = (counts.better - counts.worse) / counts.total
    low = _lower(counts, alpha / 2)
    high = -_lower(Paired(counts.worse, counts.better, counts.same), alpha / 2)
    return Interval(estimate, low, high)


def _lower(counts: Paired, alpha: float) -> float:
    """The largest d such that "the difference is d or less" is rejected; -1 when none is."""
    low, high = -1.0, (counts.better - counts.worse) / counts.total
    if high == low:
        return low
    for _ in range(40):
        middle = (low + high) / 2
        if log_e_not_worse(counts.better, counts.worse, counts.same, -middle) >= -np.log(alpha):
            low = middle
        else:
            high = middle
    return low
