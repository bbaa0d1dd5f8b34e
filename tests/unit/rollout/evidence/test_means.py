"""The asymptotic confidence sequence against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from taxiway.rollout.evidence.means import Arm, Side, half_width, mean_difference, mean_evidence, tuning

CANARY, CONTROL = Arm(4000, 0.90, 0.0900), Arm(5000, 0.88, 0.1056)


def test_its_evidence_is_the_mixture_over_a_normal_prior() -> None:
    error = math.sqrt(0.0900 / 4000 + 0.1056 / 5000)
    z, n, rho = 0.02 / error, 9000, tuning(0.05, 5000)
    # exp(θ Σx − θ² n / 2) with Σx = z√n, averaged over θ ~ N(0, ρ²).
    wealth, _ = integrate.quad(
        lambda theta: math.exp(theta * z * math.sqrt(n) - theta**2 * n / 2) * stats.norm.pdf(theta, scale=rho), -1, 1,
        points=[0.0, z / math.sqrt(n)],
    )  # fmt: skip
    assert mean_evidence(CANARY, CONTROL, 0.05, 5000).e == pytest.approx(wealth, rel=1e-6)


@pytest.mark.parametrize(
    ("canary", "control", "expected", "low", "high", "p"),
    [
        ((4000, 3600), (5000, 4400), 5000, -0.0001721548467124509, 0.040172154846712486, 0.05384503995758687),
        ((1100, 140), (900, 90), 100_000, -0.06763111278978516, 0.12217656733523967, 0.8354208891182572),
        ((200_000, 101_000), (200_000, 100_000), 100_000, 5.57220128945e-05, 0.009944277987105425, 0.04490634333270714),
    ],
)
def test_it_agrees_with_an_independent_implementation(
    canary: tuple[int, int], control: tuple[int, int], expected: int, low: float, high: float, p: float
) -> None:
    """Recorded from SequentialTwoSidedTTest of gbstats 0.8.0, α = 5 %, for (observations, successes) of each arm."""
    arms = [Arm(n, k / n, k / n * (1 - k / n)) for n, k in (canary, control)]
    found = mean_difference(arms[0], arms[1], 0.05, expected)
    assert found.low == pytest.approx(low, rel=1e-9)
    assert found.high == pytest.approx(high, rel=1e-9)
    assert mean_evidence(arms[0], arms[1], 0.05, expected).p == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_the_interval_leaves_out_nought_just_when_the_evidence_says_so(alpha: float) -> None:
    for shift in np.linspace(0, 0.06, 40):
        canary = Arm(4000, 0.88 + float(shift), 0.0900)
        outside = mean_difference(canary, CONTROL, alpha, 5000).excludes(0)
        assert outside == mean_evidence(canary, CONTROL, alpha, 5000).reaches(alpha)


def test_it_costs_half_as_much_again_as_a_fixed_sample_where_it_is_tuned() -> None:
    assert float(half_width(5000, 1.0, 0.05, 5000)) / 1.96 == pytest.approx(1.55, abs=0.01)
    for total in (1000, 20_000):
        assert 1.55 < float(half_width(total, 1.0, 0.05, 5000)) / 1.96 < 1.75


def test_one_bound_is_tighter_than_two() -> None:
    both = mean_difference(CANARY, CONTROL, 0.05, 5000)
    lower = mean_difference(CANARY, CONTROL, 0.05, 5000, Side.LOWER)
    upper = mean_difference(CANARY, CONTROL, 0.05, 5000, Side.UPPER)
    assert lower.low > both.low and lower.high == math.inf
    assert upper.high < both.high and upper.low == -math.inf


@pytest.mark.parametrize(
    "arm", [Arm(0, 0.0, 0.0), Arm(99, 0.5, 0.25), Arm(10**6, 1.0, 0.0)], ids=["none", "few", "never varied"]
)
def test_it_says_nothing_before_it_can(arm: Arm) -> None:
    found = mean_difference(arm, CONTROL, 0.05, 5000)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert mean_evidence(arm, CONTROL, 0.05, 5000).p == 1


def test_it_says_nothing_of_what_varies_by_less_than_a_number_can_say() -> None:
    least = Arm(100, 0.0, 5e-324)
    found = mean_difference(least, least, 0.05, 5000)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert mean_evidence(least, least, 0.05, 5000).p == 1


def test_it_stays_a_number_at_a_hundred_million() -> None:
    big = mean_difference(Arm(10**8, 0.5001, 0.25), Arm(10**8, 0.5, 0.25), 0.05, 5000)
    assert 0 < big.high - big.low < 1e-3
    assert mean_evidence(Arm(10**8, 0.6, 0.24), Arm(10**8, 0.5, 0.25), 0.05, 5000).p == 0


@pytest.mark.parametrize("variance", [1e-300, 1e-200])
def test_it_stays_a_number_when_a_difference_is_beyond_all_doubt(variance: float) -> None:
    sure = mean_evidence(Arm(100, -1e100, variance), Arm(100, 1e100, variance), 0.05, 5000)
    assert 1e100 < sure.log_e < math.inf and sure.p == 0
