"""The false-alarm and detection figures that the documents give, found again by seeded simulation.

Counts come in looks of ``LOOK`` requests of both arms together, half each. A median is over all runs, those that never
fired counting as infinite. The tolerances are twice the error of a median over so many runs, and one look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from taxiway.rollout.evidence.harm import log_e_ceiling, log_e_harm, log_e_no_harm
from taxiway.rollout.evidence.means import half_width
from taxiway.rollout.evidence.mixture import Floats
from taxiway.rollout.evidence.paired import log_e_differs, log_e_not_worse
from taxiway.rollout.evidence.ratio import log_bayes_factor

LOOK = 100


@dataclass(frozen=True)
class Found:
    """In how many of the runs the test fired, and after how many requests in the middle one."""

    fired: float
    median: float


def found(log_e: Floats, alpha: float, look: int = LOOK) -> Found:
    """What a test with this evidence, a row a run and a column a look, does."""
    hit = log_e >= -np.log(alpha)
    ever = hit.any(axis=1)
    first = np.where(ever, look * (hit.argmax(axis=1) + 1.0), np.inf)
    return Found(float(ever.mean()), float(np.sort(first)[len(first) // 2]))


def bad_events(rates: tuple[float, float], requests: int, runs: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Cumulated bad events of (control, canary): a row a run, a column a look."""
    rng = np.random.default_rng(seed)
    return tuple(rng.binomial(LOOK // 2, rate, (runs, requests // LOOK)).cumsum(axis=1) for rate in rates)


@cache
def harm_table(margin: float, canary: int, control: int) -> Floats:
    """The evidence of every pair of counts below these: runs meet the same few thousand pairs again and again."""
    return log_e_harm(np.arange(canary)[:, None], np.arange(control), margin)


def harm(rates: tuple[float, float], margin: float, requests: int, runs: int = 1000) -> Found:
    control, canary = bad_events(rates, requests, runs, seed=5)
    # Rounded up, so that scenarios share a table.
    limits = [int(-(-(counts.max() + 1) // 50) * 50) for counts in (canary, control)]
    return found(harm_table(margin, *limits)[canary, control], alpha=0.01)


@pytest.mark.parametrize(
    ("rates", "margin", "requests", "median"),
    [
        ((0.01, 0.02), 0.0, 15_000, 5800),
        ((0.01, 0.03), 0.0, 8_000, 2100),
        ((0.01, 0.03), 0.25, 8_000, 3100),
        ((0.01, 0.05), 0.0, 4_000, 900),
        ((0.01, 0.05), 0.25, 4_000, 1100),
        ((0.01, 0.10), 0.0, 2_000, 400),
        ((0.01, 0.10), 0.25, 2_000, 500),
        ((0.001, 0.01), 0.0, 8_000, 3350),
        ((0.001, 0.01), 0.25, 8_000, 4000),
    ],
)
def test_a_worse_version_is_found_as_soon_as_said(
    rates: tuple[float, float], margin: float, requests: int, median: int
) -> None:
    assert harm(rates, margin, requests).median == pytest.approx(median, rel=0.08, abs=LOOK)


def test_a_version_no_worse_is_hardly_ever_accused() -> None:
    assert harm((0.01, 0.01), 0.0, 20_000, 3000).fired == pytest.approx(0.0035, abs=0.003)
    assert harm((0.01, 0.01), 0.25, 20_000).fired <= 0.001
    assert harm((0.01, 0.0125), 0.25, 20_000).fired <= 0.01


def test_a_small_harm_takes_long() -> None:
    assert harm((0.01, 0.0125), 0.0, 60_000, 300).fired == pytest.approx(0.41, abs=0.07)
    assert harm((0.01, 0.02), 0.25, 20_000).fired == pytest.approx(0.79, abs=0.05)


def test_a_rate_that_swings_fivefold_raises_no_false_alarm() -> None:
    rng = np.random.default_rng(3)
    rate = 0.01 * 5 ** np.sin(np.linspace(0, 30, 200)) / 5**0.5
    canary, control = (rng.binomial(LOOK // 2, rate, (2000, 200)).cumsum(axis=1) for _ in "ab")
    table = harm_table(0.0, int(canary.max()) + 1, int(control.max()) + 1)
    assert found(table[canary, control], 0.01).fired <= 0.01


@pytest.mark.parametrize(
    ("rate", "ratio", "requests", "median"),
    [
        (0.05, 1.25, 25_000, 11_300),
        (0.05, 1.5, 10_000, 3600),
        (0.05, 2.0, 4_000, 1200),
        (0.05, 3.0, 3_000, 600),
        (0.01, 2.0, 15_000, 5600),
        (0.01, 3.0, 8_000, 2200),
    ],
)
def test_proving_no_harm_takes_as_long_as_said(rate: float, ratio: float, requests: int, median: int) -> None:
    control, canary = bad_events((rate, rate), requests, 400, seed=7)
    # A median over 400 runs of a distribution with a long tail: each of the two figures is off by 6 % or so.
    assert found(log_e_no_harm(canary, control, ratio), alpha=0.05).median == pytest.approx(median, rel=0.2, abs=LOOK)


def test_a_version_at_the_margin_is_seldom_called_safe() -> None:
    control, canary = bad_events((0.02, 0.04), 20_000, 400, seed=11)
    assert found(log_e_no_harm(canary, control, 2.0), alpha=0.05).fired <= 0.05
    answered = np.arange(1, 201) * (LOOK // 2)
    assert found(log_e_ceiling(canary, answered, 0.04), alpha=0.05).fired <= 0.05


@pytest.mark.parametrize(("factor", "sigma", "requests", "median"), [
    (1.10, 0.3, 6_000, 1600), (1.20, 0.3, 2_000, 500), (1.50, 0.3, 1_000, 100), (1.20, 0.5, 5_000, 1200), (1.50, 0.5, 1_500, 300),
])  # fmt: skip
def test_a_slower_version_is_found_by_what_exceeds_the_old_p95(
    factor: float, sigma: float, requests: int, median: int
) -> None:
    exceeds = float(stats.norm.sf(stats.norm.ppf(0.95) - np.log(factor) / sigma))
    control, canary = bad_events((0.05, exceeds), requests, 400, seed=13)
    assert found(log_e_harm(canary, control), alpha=0.01).median == pytest.approx(median, rel=0.12, abs=LOOK)


@pytest.mark.parametrize(("factor", "fired", "median"), [(1.05, 0.05, np.inf), (1.10, 1.0, 4700), (1.20, 1.0, 800)])
def test_a_guard_of_times_convicts_what_is_surely_a_quarter_worse(factor: float, fired: float, median: float) -> None:
    exceeds = float(stats.norm.sf(stats.norm.ppf(0.95) - np.log(factor) / 0.3))
    control, canary = bad_events((0.05, exceeds), 20_000, 200, seed=13)
    result = found(log_e_harm(canary, control, 0.25), alpha=0.005)
    assert result.fired == pytest.approx(fired, abs=0.05)
    assert result.median == median or result.median == pytest.approx(median, rel=0.12)


@pytest.mark.parametrize("times_as_many", [1.0, 1.16, 1.25])
def test_versions_that_are_nearly_as_fast_are_not_convicted(times_as_many: float) -> None:
    control, canary = bad_events((0.05, 0.05 * times_as_many), 20_000, 300, seed=3)
    assert found(log_e_harm(canary, control, 0.25), alpha=0.005).fired <= 0.01


@pytest.mark.parametrize(("better", "worse", "median"), [(0.04, 0.02, 1150), (0.025, 0.015, 3075)])
def test_paired_answers_tell_two_versions_apart_early(better: float, worse: float, median: int) -> None:
    rng = np.random.default_rng(17)
    counts = rng.multinomial(25, [better, worse, 1 - better - worse], (600, 400)).cumsum(axis=1)
    result = found(log_e_differs(counts[..., 0], counts[..., 1]), alpha=0.05, look=25)
    assert result.median == pytest.approx(median, rel=0.15)


def test_paired_answers_of_equals_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(19)
    counts = rng.multinomial(25, [0.03, 0.03, 0.94], (1500, 200)).cumsum(axis=1)
    assert found(log_e_differs(counts[..., 0], counts[..., 1]), alpha=0.05).fired == pytest.approx(0.018, abs=0.012)


def test_a_version_one_point_worse_is_seldom_called_not_worse() -> None:
    rng = np.random.default_rng(23)
    counts = rng.multinomial(50, [0.02, 0.03, 0.95], (300, 100)).cumsum(axis=1)
    better, worse, same = (counts[..., k] for k in range(3))
    assert found(log_e_not_worse(better, worse, same, 0.01), alpha=0.05).fired <= 0.05


def means(rates: tuple[float, float], total: int, runs: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """(observations of both arms, difference, its standard error) for yes-or-no observations, a column a look."""
    rng = np.random.default_rng(seed)
    count = np.arange(1, total // LOOK + 1) * np.float64(LOOK // 2)
    a, b = (rng.binomial(LOOK // 2, rate, (runs, len(count))).cumsum(axis=1) / count for rate in rates)
    error = np.sqrt((a * (1 - a) + b * (1 - b)) / (count - 1))
    return np.asarray(2 * count), b - a, error


@pytest.mark.parametrize(("rates", "median"), [((0.88, 0.90), 7800), ((0.87, 0.90), 3500), ((0.85, 0.90), 1700)])
def test_a_difference_of_accuracy_is_found_as_soon_as_said(rates: tuple[float, float], median: int) -> None:
    total, difference, error = means(rates, 4 * median, 1000, seed=29)
    outside = np.abs(difference) > half_width(total, error, 0.05, 5000)
    result = found(np.where(outside & (total >= 200), np.inf, 0.0), 0.05)
    assert result.median == pytest.approx(median, rel=0.1)


def test_equal_averages_are_called_different_seldom_and_by_naive_peeking_often() -> None:
    total, difference, error = means((0.9, 0.9), 20_000, 2000, seed=31)
    read = total >= 200
    sequence = np.abs(difference) > half_width(total, error, 0.05, 5000)
    naive = np.abs(difference) > 1.96 * error
    assert 0.005 <= (sequence & read).any(axis=1).mean() <= 0.035
    assert (naive & read).any(axis=1).mean() == pytest.approx(0.40, abs=0.06)


@pytest.mark.parametrize(("canary", "median", "units"), [(0.09, 14_100, 60_000), (0.08, 3900, 20_000)])
def test_lost_traffic_is_found_as_soon_as_said(canary: float, median: int, units: int) -> None:
    rng = np.random.default_rng(37)
    got = rng.binomial(LOOK, canary, (600, units // LOOK)).cumsum(axis=1)
    seen = LOOK * np.arange(1, units // LOOK + 1)
    log_b = log_bayes_factor(np.stack([got, seen - got], axis=-1), (0.1, 0.9))
    assert found(log_b, alpha=0.001).median == pytest.approx(median, rel=0.06)


def test_traffic_that_is_split_right_raises_hardly_an_alarm() -> None:
    rng = np.random.default_rng(41)
    got = rng.binomial(LOOK, 0.1, (1500, 300)).cumsum(axis=1)
    seen = LOOK * np.arange(1, 301)
    assert found(log_bayes_factor(np.stack([got, seen - got], axis=-1), (0.1, 0.9)), alpha=0.001).fired <= 0.002
