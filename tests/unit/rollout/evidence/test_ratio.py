"""Sample-ratio mismatch."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from taxiway.errors import InvalidArgument
from taxiway.rollout.evidence.ratio import ALPHA, Assigned, sample_ratio, uneven


def test_it_is_the_dirichlet_multinomial_over_the_multinomial() -> None:
    counts, shares = (120, 80, 795), (0.1, 0.1, 0.8)
    mixed = stats.dirichlet_multinomial.logpmf(counts, [1000 * share for share in shares], sum(counts))
    expected = float(mixed - stats.multinomial.logpmf(counts, sum(counts), shares))
    assert sample_ratio([Assigned(counts, shares)]).log_e == pytest.approx(expected)


def test_nothing_assigned_is_no_evidence() -> None:
    assert sample_ratio([]).log_e == 0
    assert sample_ratio([Assigned((0, 0), (0.5, 0.5))]).log_e == pytest.approx(0, abs=1e-9)


def test_a_leak_is_found_and_a_right_split_is_not() -> None:
    assert sample_ratio([Assigned((4500, 5500), (0.5, 0.5))]).reaches(ALPHA)
    assert not sample_ratio([Assigned((4960, 5040), (0.5, 0.5))]).reaches(ALPHA)
    assert not sample_ratio([Assigned((5 * 10**7, 5 * 10**7), (0.5, 0.5))]).reaches(0.9)


def test_each_set_of_shares_is_a_factor() -> None:
    first, second = Assigned((60, 940), (0.05, 0.95)), Assigned((130, 870), (0.1, 0.9))
    both = sample_ratio([first, second, first]).log_e
    assert both == pytest.approx(
        sample_ratio([Assigned((120, 1880), (0.05, 0.95))]).log_e + sample_ratio([second]).log_e
    )


def test_what_is_asked_anew_has_what_is_left_of_the_chance_of_a_false_alarm() -> None:
    """The parts before count as if they had been even: a fifth part needs ten times the evidence of a second."""
    part = Assigned((4700, 5300), (0.5, 0.5))
    needed = 1 / ALPHA
    log_e = sample_ratio([part]).log_e
    most = next(k for k in range(99) if math.log(needed * (k + 1) * (k + 2)) > log_e)
    assert most > 1
    assert uneven([part], most - 1) and not uneven([part], most)
    assert uneven([Assigned((0, 0), (0.5, 0.5))] * (most - 1) + [part])
    assert not uneven([Assigned((0, 0), (0.5, 0.5))] * most + [part])


def test_an_arm_that_should_get_nothing_and_does_is_a_mismatch() -> None:
    assert sample_ratio([Assigned((1, 99), (0.0, 1.0))]).log_e == math.inf
    assert sample_ratio([Assigned((0, 99), (0.0, 1.0))]).log_e == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("counts", "shares"), [((1, 2), (0.5, 0.6)), ((1, 2, 3), (0.5, 0.5))])
def test_shares_that_do_not_fit_are_refused(counts: tuple[int, ...], shares: tuple[float, ...]) -> None:
    with pytest.raises(InvalidArgument, match="shares"):
        sample_ratio([Assigned(counts, shares)])
