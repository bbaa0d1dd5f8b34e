"""The difference of two averages: goal metrics, scores, accuracy of different requests.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476), with N the
observations of both arms, SE = √(s²_A/n_A + s²_B/n_B), and a tuning ρ that makes the interval narrowest near N*:

    two-sided   h = SE √N · √( 2(Nρ²+1)/(N²ρ²) · ln(√(Nρ²+1)/α) ),    ρ = √( (−2 ln α + ln(1 − 2 ln α)) / N* )
    one-sided   ln(1 + √(Nρ²+1)/(2α)) in its place, and 2α for α in ρ
    p           min(1, √(Nρ²+1) · exp(−ρ² N z² / (2(Nρ²+1)))),        z = difference / SE

The guarantee is asymptotic, so below ``MINIMUM`` observations an arm, or when an arm has not varied at all, nothing is
said: the bounds are infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from taxiway.rollout.evidence.evalue import EValue, Interval
from taxiway.rollout.evidence.mixture import Floats

__all__ = [
    "MINIMUM",
    "Arm",
    "Side",
    "half_width",
    "log_e_differs",
    "mean_difference",
    "mean_evidence",
    "standard_error",
    "tuning",
]

MINIMUM = 100
_LARGEST_Z = 1e100


class Side(Enum):
    """Which bounds are wanted."""

    BOTH = "both"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True)
class Arm:
    """What is kept of one arm's observations: how many, their average, their variance (the unbiased one)."""

    count: int
    mean: float
    variance: float


def tuning(alpha: float, expected: float) -> float:
    """ρ for a sequence read about when both arms together have ``expected`` observations."""
    return math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / expected)


def half_width(total: ArrayLike, error: ArrayLike, alpha: float, expected: float, *, one_sided: bool = False) -> Floats:
    """The half-width h for ``total`` observations of both arms and a standard error of the difference; broadcasts."""
    n, se = np.asarray(total, np.float64), np.asarray(error, np.float64)
    rho = tuning(min(2 * alpha, 0.999) if one_sided else alpha, expected)
    spread = n * rho**2 + 1
    log_term = np.log1p(np.sqrt(spread) / (2 * alpha)) if one_sided else np.log(np.sqrt(spread) / alpha)
    return np.asarray(se * np.sqrt(2 * spread / (n * rho**2) * log_term), np.float64)


def mean_difference(canary: Arm, control: Arm, alpha: float, expected: float, side: Side = Side.BOTH) -> Interval:
    """The canary's average minus the control's.

    Args:
        canary: the new version's observations.
        control: the old version's.
        alpha: the chance that a bound is ever wrong.
        expected: N*, about when a decision is expected, in observations of both arms.
        side: with one bound only, it is tighter; the other is infinite.
    """
    estimate = canary.mean - control.mean
    error = standard_error(canary, control)
    if error is None:
        return Interval(estimate, -math.inf, math.inf)
    total = canary.count + control.count
    h = float(half_width(total, error, alpha, expected, one_sided=side is not Side.BOTH))
    return Interval(
        estimate,
        -math.inf if side is Side.UPPER else estimate - h,
        math.inf if side is Side.LOWER else estimate + h,
    )


def mean_evidence(canary: Arm, control: Arm, alpha: float, expected: float) -> EValue:
    """Evidence that the averages differ; its ``p`` is the always-valid p-value. ``alpha`` only tunes it."""
    error = standard_error(canary, control)
    if error is None:
        return EValue(0.0)
    z = (canary.mean - control.mean) / error
    return EValue(float(log_e_differs(canary.count + control.count, z, alpha, expected)))


def log_e_differs(total: ArrayLike, z: ArrayLike, alpha: float, expected: float) -> Floats:
    """The logarithm of E for ``total`` observations of both arms and a difference of ``z`` errors; broadcasts."""
    n = np.asarray(total, np.float64)
    rho = tuning(alpha, expected)
    spread = n * rho**2 + 1
    # Beyond it a square is no number any more, and the evidence has long been as good as certain.
    z = np.clip(z, -_LARGEST_Z, _LARGEST_Z)
    return np.asarray(rho**2 * n * np.square(z) / (2 * spread) - np.log(spread) / 2, np.float64)


def standard_error(canary: Arm, control: Arm) -> float | None:
    """SE; None while too little was seen for the normal approximation, and where it is too small to be a number."""
    if min(canary.count, control.count) < MINIMUM or min(canary.variance, control.variance) <= 0:
        return None
    return math.sqrt(canary.variance / canary.count + control.variance / control.count) or None
