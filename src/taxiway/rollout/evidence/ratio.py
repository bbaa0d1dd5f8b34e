"""Sample-ratio mismatch: do the arms get the traffic they should?

If they do not, requests are lost or led astray, and no comparison of the arms means anything. With counts c, expected
shares ρ and a Dirichlet prior of concentration κ around them:

    ln B = ln Γ(κ) − ln Γ(κ+n) + Σ [ln Γ(κρᵢ+cᵢ) − ln Γ(κρᵢ)] − Σ cᵢ ln ρᵢ

Source: Lindon and Malek, Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022. With κ = 1000 and an alarm
at B ≥ 1000, a true split is called false once in a thousand rollouts, however often one looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from taxiway.errors import InvalidArgument
from taxiway.rollout.evidence.evalue import EValue
from taxiway.rollout.evidence.mixture import Floats

__all__ = ["ALPHA", "Assigned", "log_bayes_factor", "sample_ratio", "uneven"]

ALPHA = 0.001
CONCENTRATION = 1000.0


@dataclass(frozen=True)
class Assigned:
    """How many units each arm got, and the share it should get, while the shares did not change."""

    counts: tuple[int, ...]
    shares: tuple[float, ...]


def log_bayes_factor(counts: ArrayLike, shares: Sequence[float], concentration: float = CONCENTRATION) -> Floats:
    """The logarithm of B for counts whose last axis is the arms; shares are above 0 and sum to 1."""
    c, rho = np.asarray(counts, np.float64), np.asarray(shares, np.float64)
    prior = concentration * rho
    whole = special.gammaln(concentration) - special.gammaln(concentration + c.sum(axis=-1))
    arms = special.gammaln(prior + c) - special.gammaln(prior) - c * np.log(rho)
    return np.asarray(whole + arms.sum(axis=-1), np.float64)


def sample_ratio(assigned: Iterable[Assigned]) -> EValue:
    """Evidence that the arms do not get their shares; a factor for each set of shares, multiplied.

    Raises:
        InvalidArgument: shares that do not sum to 1, or not one count for each.
    """
    return EValue(sum(_log_factor(counts, shares) for shares, counts in _by_shares(assigned).items()))


def uneven(parts: Sequence[Assigned], before: int = 0, alpha: float = ALPHA) -> bool:
    """Whether the arms do not get their shares at some of the steps, one part each, in their order.

    A unit that comes back at the next step is in the same arm again, so what the steps show is no product of
    independent evidence. Each part is asked by itself, the k-th for its share α/(k(k+1)) of the chance of a false
    alarm; however they hang together, they stay within α. When counting began anew, ``before`` parts had their shares.
    """
    return any(sample_ratio([part]).reaches(alpha / (k * (k + 1))) for k, part in enumerate(parts, before + 1))


def _by_shares(assigned: Iterable[Assigned]) -> dict[tuple[float, ...], list[int]]:
    totals: dict[tuple[float, ...], list[int]] = {}
    for each in assigned:
        if len(each.counts) != len(each.shares) or not math.isclose(sum(each.shares), 1, abs_tol=1e-9):
            raise InvalidArgument(
                f"{len(each.counts)} counts do not go with the shares {each.shares}",
                hint="give one share for each arm; together they are 1",
            )
        so_far = totals.setdefault(each.shares, [0] * len(each.counts))
        totals[each.shares] = [a + b for a, b in zip(so_far, each.counts, strict=True)]
    return totals


def _log_factor(counts: Sequence[int], shares: Sequence[float]) -> float:
    if any(count and share <= 0 for count, share in zip(counts, shares, strict=True)):
        return math.inf  # an arm that should get nothing got something
    kept = [(count, share) for count, share in zip(counts, shares, strict=True) if share > 0]
    return float(log_bayes_factor([count for count, _ in kept], [share for _, share in kept]))
