"""The coin's e-process against numerical integration, and far out where the textbook formula ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from taxiway.rollout.evidence.mixture import log_above, log_below, log_either


def log_wealth(heads: int, tosses: int, boundary: float, prior: tuple[float, float]) -> float:
    """The logarithm of E by quadrature: the likelihood ratio averaged over the cut prior on a grid that fits it."""

    def log_integral(s: float, f: float) -> float:
        a, b = prior[0] + s - 1, prior[1] + f - 1
        mode = max(boundary, a / (a + b))
        spread = math.sqrt(0.25 / (a + b))
        slope = abs(a / boundary - b / (1 - boundary)) if mode == boundary else 0.0
        width = min(60 / slope if slope else 1.0, 40 * spread, 1 - mode)
        grid = np.linspace(max(boundary, mode - 40 * spread), min(mode + width, 1 - 1e-15), 200_001)
        log_f = a * np.log(grid) + b * np.log1p(-grid) - s * math.log(boundary) - f * math.log1p(-boundary)
        return float(log_f.max() + np.log(integrate.trapezoid(np.exp(log_f - log_f.max()), grid)))

    return log_integral(heads, tosses - heads) - log_integral(0, 0)


@pytest.mark.parametrize("boundary", [0.5, 2 / 3])
@pytest.mark.parametrize(
    ("heads", "tosses"),
    [(5, 5), (0, 50), (600, 1000), (400, 1000), (10, 20_000), (50_001_000, 10**8), (10**6, 10**8), (10**8, 10**8)],
)
def test_it_is_the_average_over_the_prior(heads: int, tosses: int, boundary: float) -> None:
    prior = (10 * boundary, 10 * (1 - boundary))
    expected = log_wealth(heads, tosses, boundary, prior)
    assert float(log_above(heads, tosses, boundary, prior)) == pytest.approx(expected, rel=1e-8, abs=1e-5)


@pytest.mark.parametrize("tosses", [0, 1, 1000, 10**8])
@pytest.mark.parametrize("boundary", [1e-6, 0.005, 0.5, 0.999])
def test_it_is_a_number_however_many_and_however_one_sided(tosses: int, boundary: float) -> None:
    heads = np.array([0, tosses // 1000, tosses // 2, tosses])
    for log_e in (
        log_above(heads, tosses, boundary, (0.5, 0.5)),
        log_below(heads, tosses, boundary, (5, 5)),
        log_either(heads, tosses, boundary, (5, 5)),
    ):
        assert log_e.shape == (4,)
        assert np.isfinite(log_e).all()


def test_no_toss_is_no_evidence() -> None:
    assert float(log_above(0, 0, 0.4, (4, 6))) == 0
    assert float(log_below(0, 0, 0.4, (5, 5))) == 0
    assert float(log_either(0, 0, 0.4, (5, 5))) == 0


def test_the_far_tail_joins_the_near_one() -> None:
    heads = np.arange(0, 3000, 10)
    steps = np.diff(log_above(heads, 6000, 0.5, (5, 5)))
    # From where the tail is 1e-300 and worked out by the fraction to where it is one half: smooth, always rising.
    assert (steps > 0).all()
    assert np.abs(np.diff(steps)).max() < 0.05
