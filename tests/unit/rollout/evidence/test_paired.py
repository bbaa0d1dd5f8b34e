"""Two versions on the same requests."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from taxiway.rollout.evidence.paired import Paired, difference, not_worse, paired, paired_harm


def beta(a: int, b: int) -> Fraction:
    return Fraction(math.factorial(a - 1) * math.factorial(b - 1), math.factorial(a + b - 1))


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (0, 7), (12, 30)])
def test_it_is_the_formula_in_exact_arithmetic(better: int, worse: int) -> None:
    exact = beta(5 + worse, 5 + better) / beta(5, 5) * 2 ** (better + worse)
    assert paired(Paired(better, worse)).e == pytest.approx(float(exact))


def test_it_takes_no_side() -> None:
    assert paired(Paired(3, 20)).log_e == pytest.approx(paired(Paired(20, 3)).log_e)


def test_harm_takes_a_side_and_a_margin() -> None:
    assert paired_harm(Paired(3, 30)).reaches(0.01)
    assert not paired_harm(Paired(30, 3)).reaches(0.5)
    assert paired_harm(Paired(3, 30), 0.1).log_e < paired_harm(Paired(3, 30)).log_e


def test_versions_that_always_agree_are_proven_not_worse() -> None:
    assert not not_worse(Paired(same=300), 0.01).reaches(0.05)
    assert not_worse(Paired(same=700), 0.01).reaches(0.05)
    assert not not_worse(Paired(), 0.01).reaches(0.9)


def test_a_version_two_points_worse_is_not_proven_within_one() -> None:
    assert not not_worse(Paired(100, 300, 9600), 0.01).reaches(0.9)
    assert not_worse(Paired(300, 300, 9400), 0.01).reaches(0.05)


def test_the_difference_lies_between_bounds_that_shrink() -> None:
    few, many = difference(Paired(40, 20, 940), 0.05), difference(Paired(40_000, 20_000, 940_000), 0.05)
    for found in (few, many):
        assert found.low < found.estimate < found.high
        assert found.estimate == pytest.approx(0.02)
    assert few.low > -1 and few.high < 1
    assert many.excludes(0) and many.high - many.low < 0.01


def test_nothing_seen_bounds_nothing() -> None:
    found = difference(Paired(), 0.05)
    assert (found.estimate, found.low, found.high) == (0, -1, 1)


def test_a_version_that_is_always_wrong_is_as_bad_as_can_be() -> None:
    found = difference(Paired(worse=30), 0.05)
    assert (found.estimate, found.low) == (-1, -1)
    assert -1 < found.high < 0


def test_the_bounds_mirror_each_other() -> None:
    found, mirrored = difference(Paired(9, 2, 100), 0.05), difference(Paired(2, 9, 100), 0.05)
    assert found.low == pytest.approx(-mirrored.high)
    assert found.high == pytest.approx(-mirrored.low)
