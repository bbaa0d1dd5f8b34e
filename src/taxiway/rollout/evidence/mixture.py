"""The e-process of a coin: is its chance of heads on the far side of a boundary?

Bet on each toss with a Beta prior over the chance of heads, cut off at the boundary p₀. The wealth after n tosses with
s heads is the likelihood averaged over the cut prior, over the likelihood at p₀:

    ln E = [ln B(a+s, b+n−s) + ln Iᶜ(a+s, b+n−s; p₀)] − [ln B(a, b) + ln Iᶜ(a, b; p₀)] − s ln p₀ − (n−s) ln(1−p₀)

with Iᶜ = 1 − I the upper tail of the regularised incomplete beta function. For every chance p ≤ p₀ the likelihood ratio
of each q ≥ p₀ to p₀ gains nothing in expectation, so their average does not either. Source: the method of mixtures,
Robbins 1970; the one-sided beta-binomial of Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 2021 (arXiv
1810.08240).

All functions take numbers or arrays and broadcast. They hold to 1e-5 up to 1e8 tosses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["Floats", "Prior", "log_above", "log_below", "log_either"]

Floats: TypeAlias = NDArray[np.float64]
Prior: TypeAlias = tuple[float, float]

# Below this the tail is worked out on the scale of its logarithm; a double ends at 1e-308.
_TINY = 1e-280
# So far out in the tail the fraction needs tens of terms; this only bounds the loop.
_TERMS = 2000


def log_above(heads: ArrayLike, tosses: ArrayLike, boundary: float, prior: Prior) -> Floats:
    """The logarithm of E against "the chance of heads is at most ``boundary``".

    Args:
        heads: how many of the tosses.
        tosses: all of them; 0 gives 0.
        boundary: p₀, between 0 and 1, both excluded.
        prior: a and b of the Beta prior that is cut off below the boundary.
    """
    s, n = np.asarray(heads, np.float64), np.asarray(tosses, np.float64)
    return np.asarray(_log_integral(s, n - s, boundary, prior) - _log_mass(boundary, prior), np.float64)


def log_below(heads: ArrayLike, tosses: ArrayLike, boundary: float, prior: Prior) -> Floats:
    """The logarithm of E against "the chance of heads is at least ``boundary``"; the prior is cut off above it."""
    n = np.asarray(tosses, np.float64)
    return log_above(n - np.asarray(heads, np.float64), n, 1 - boundary, (prior[1], prior[0]))


def log_either(heads: ArrayLike, tosses: ArrayLike, chance: ArrayLike, prior: Prior) -> Floats:
    """The logarithm of E against "the chance of heads is ``chance``", whichever side it really is on."""
    s, n, p = np.asarray(heads, np.float64), np.asarray(tosses, np.float64), np.asarray(chance, np.float64)
    a, b = prior
    gained = special.betaln(a + s, b + n - s) - special.betaln(a, b)
    return np.asarray(gained - special.xlogy(s, p) - special.xlog1py(n - s, -p), np.float64)


@lru_cache(maxsize=1024)
def _log_mass(boundary: float, prior: Prior) -> float:
    """The logarithm of what the prior holds above the boundary."""
    return float(_log_integral(0, 0, boundary, prior))


def _log_integral(s: ArrayLike, f: ArrayLike, boundary: float, prior: Prior) -> Floats:
    """The logarithm of ∫ from p₀ to 1 of p^(a+s−1) (1−p)^(b+f−1) dp, over p₀^s (1−p₀)^f."""
    s, f = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(f, np.float64))
    a, b = prior[0] + s, prior[1] + f
    tail = np.asarray(special.betaincc(a, b, boundary))
    with np.errstate(divide="ignore"):
        value = special.betaln(a, b) + np.log(tail) - s * np.log(boundary) - f * np.log1p(-boundary)
    far = tail < _TINY
    if far.any():
        value = np.array(value)
        value[far] = _log_far_tail(a[far], b[far], boundary, prior)
    return np.asarray(value, np.float64)


def _log_far_tail(a: Floats, b: Floats, boundary: float, prior: Prior) -> Floats:
    """The same far out, where the large terms cancel on paper and leave the prior's own and a continued fraction."""
    fraction = _continued_fraction(b, a, 1 - boundary)
    rest = prior[0] * np.log(boundary) + prior[1] * np.log1p(-boundary)
    return np.asarray(rest - np.log(b) - np.log(fraction), np.float64)


def _continued_fraction(a: Floats, b: Floats, x: float) -> Floats:
    """1 + d₁/(1 + d₂/(1 + …)) of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    c, d = np.ones_like(a), np.zeros_like(a)
    value = np.ones_like(a)
    for k in range(1, _TERMS):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value = value * c * d
        if np.all(np.abs(c * d - 1) < 1e-12):
            break
    return value
