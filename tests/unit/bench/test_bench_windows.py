"""When windows are believed, and which one stands for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.windows import Patience, Window, coarse, settle
from taxiway.load.percentiles import percentile


def _window(rate: int, p95_us: int = 100) -> Window:
    return Window(rate, 1.0, {p95_us: rate})


def _settle(windows: list[Window], patience: Patience | None = None) -> tuple[int, bool, float]:
    remaining = iter(windows)
    settled = settle(lambda: next(remaining), patience or Patience())
    return len(settled.windows), settled.agreed, settled.chosen.throughput


def test_stops_as_soon_as_three_windows_agree() -> None:
    assert _settle([_window(100), _window(105), _window(102), _window(1)]) == (3, True, 102)


def test_an_early_outlier_is_left_behind() -> None:
    windows = [_window(10), _window(100), _window(101), _window(99)]
    assert _settle(windows) == (4, True, 100)


def test_equal_throughput_with_different_tails_does_not_agree() -> None:
    windows = [_window(100, p95_us=us) for us in (100, 150, 100, 150, 100, 150, 100, 150)]
    assert _settle(windows) == (8, False, 100)


def test_gives_up_after_most_and_says_so() -> None:
    windows = [_window(rate) for rate in (100, 200, 300, 400, 500)]
    assert _settle(windows, Patience(most=5)) == (5, False, 300)


def test_one_window_is_enough_for_a_smoke_run() -> None:
    assert _settle([_window(7)], Patience(least=1, most=1, agreeing=1)) == (1, True, 7)


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 100))
def test_percentile_is_the_nearest_rank(values: list[int], percent: int) -> None:
    histogram = {value: values.count(value) for value in values}
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert percentile(histogram, percent) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 samples"):
        percentile({}, 50)


@given(st.dictionaries(st.integers(0, 10**7), st.integers(1, 1000), min_size=1))
def test_coarse_keeps_every_sample_within_a_percent(histogram: dict[int, int]) -> None:
    rounded = coarse(histogram)
    assert sum(rounded.values()) == sum(histogram.values())
    assert percentile(rounded, 50) == pytest.approx(percentile(histogram, 50), rel=0.01)
