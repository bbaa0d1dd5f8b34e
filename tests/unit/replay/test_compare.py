"""What two answers to one request come to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taxiway.replay.compare import (
    OTHER_REASONS,
    REASONS_KEPT,
    Answered,
    Comparison,
    Difference,
    Latencies,
    difference_of,
)

SCORES = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
approx: Any = pytest.approx
TEXTS = np.array([b"a", b"b"], object)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"p": SCORES}, {"p": SCORES}, Difference(2, 0, 0, True, 0.0, "p")),
        ({"p": SCORES}, {"p": SCORES[:, ::-1]}, Difference(2, 2, 2, True, approx(0.8), "p")),
        ({"p": SCORES}, {"p": SCORES + np.float32(0.01)}, Difference(2, 2, 0, True, approx(0.01), "p")),
        (
            {"y": np.array([1, 2], np.float32)},
            {"y": np.array([1, np.nan], np.float32)},
            Difference(2, 1, 0, False, math.inf, "y"),
        ),
        (
            {"y": np.array([np.nan], np.float32)},
            {"y": np.array([np.nan], np.float32)},
            Difference(1, 0, 0, False, 0.0, "y"),
        ),
        ({"t": TEXTS}, {"t": TEXTS[::-1]}, Difference(2, 2, 0, False, 0.0, "t")),
        ({"n": np.array([2**62], np.int64)}, {"n": np.array([2**62], np.int64)}, Difference(1, 0, 0, False, 0.0, "n")),
        ({"y": np.float32(3)}, {"y": np.float32(3)}, Difference(1, 0, 0, False, 0.0, "y")),
    ],
)
def test_pairs(one: dict[str, np.ndarray], other: dict[str, np.ndarray], expected: Difference) -> None:
    assert difference_of(one, other, 1e-3) == expected


def test_what_does_not_fit_together_is_said() -> None:
    assert difference_of({"p": SCORES}, {"q": SCORES}, 0).shape == "only one version answers p, q"
    assert difference_of({"p": SCORES}, {"p": SCORES[:1]}, 0).shape == "p is float32[2, 2] and float32[1, 2]"
    assert difference_of({"p": SCORES}, {"p": TEXTS}, 0).shape == "p is float32[2, 2] and object[2]"


@given(arrays(np.float32, (5, 3)), arrays(np.float32, (5, 3)))
def test_it_is_the_same_in_both_directions(one: np.ndarray, other: np.ndarray) -> None:
    assert difference_of({"p": one}, {"p": other}, 1e-3) == difference_of({"p": other}, {"p": one}, 1e-3)


@given(arrays(np.float32, (4, 3), elements=st.floats(width=32)))
def test_an_answer_agrees_with_itself(one: np.ndarray) -> None:
    found = difference_of({"p": one}, {"p": one.copy()}, 0.0)
    assert (found.differing, found.flipped, found.largest) == (0, 0, 0.0)


def answered(*scores: float, error: str | None = None) -> Answered:
    rows = np.array([scores], np.float32) if error is None else np.empty(0)
    return Answered({"p": rows} if error is None else {}, error, 0.002)


def test_a_summary_counts_rows_classes_and_refusals() -> None:
    comparison = Comparison((8, 7), 1e-3)
    comparison.add("f#0", answered(0.9, 0.1), answered(0.9, 0.1))
    comparison.add("f#1", answered(0.8, 0.2), answered(0.9, 0.1))
    comparison.add("f#2", answered(0.2, 0.8), answered(0.9, 0.1))
    comparison.add("f#3", answered(error="INTERNAL: no"), answered(0.9, 0.1))
    comparison.add("f#4", answered(error="INTERNAL: no"), answered(error="INTERNAL: no"))
    found = comparison.summary()
    assert (found.requests, found.rows) == (5, 3)
    assert found.agreeing == pytest.approx(1 / 3) and found.same_class == pytest.approx(2 / 3)
    assert found.largest == pytest.approx(0.7) and found.output == "p"
    assert found.errors == {8: {"INTERNAL: no": 2}, 7: {"INTERNAL: no": 1}} and found.only == {8: 1, 7: 0}
    assert found.milliseconds[8]["p50"] == pytest.approx(2.0, rel=0.01)
    assert [one["request"] for one in found.worst] == ["f#3", "f#2", "f#1"]
    assert found.agreed_percent(8) == pytest.approx(100 * 2 / 3 * 4 / 5)


def test_only_the_worst_are_kept() -> None:
    comparison = Comparison((8, 7), 0.0)
    for number in range(20):
        comparison.add(f"f#{number}", answered(0.5, 0.5 + number / 100), answered(0.5, 0.5))
    assert [one["request"] for one in comparison.summary().worst] == [f"f#{number}" for number in (19, 18, 17, 16, 15)]


def test_nothing_compared_agrees_in_nothing() -> None:
    comparison = Comparison((8, 7), 0.0)
    comparison.add("f#0", answered(error="UNAVAILABLE: x"), answered(error="UNAVAILABLE: x"))
    assert comparison.summary().agreed_percent(8) == 0.0


def test_classes_of_an_answer_with_another_shape_are_other_classes() -> None:
    comparison = Comparison((8, 7), 1e-3)
    comparison.add("f#0", answered(0.9, 0.1), answered(0.9, 0.1))
    comparison.add("f#1", answered(0.9, 0.1, 0.0), answered(0.9, 0.1))
    comparison.add("f#2", Answered({"p": SCORES, "q": SCORES}, None, 0.002), Answered({"p": SCORES}, None, 0.002))
    found = comparison.summary()
    assert found.rows == 4 and found.same_class == found.agreeing == 0.25


@given(st.lists(st.floats(1e-5, 100), min_size=1, max_size=200))
def test_a_quantile_is_as_good_as_one_of_all_that_was_counted(seconds: list[float]) -> None:
    counted = Latencies()
    for one in seconds:
        counted.add(one)
    exact = np.percentile(np.asarray(seconds) * 1e3, (0, 50, 95, 100), method="lower")
    assert counted.milliseconds(0, 0.5, 0.95, 1) == pytest.approx(list(exact), rel=0.006)


def test_what_is_kept_does_not_grow_with_what_is_compared() -> None:
    comparison, counted = Comparison((8, 7), 0.0), Latencies()
    for number in range(5000):
        counted.add(0.001 + 0.001 * number / 5000)
        comparison.add("f", answered(error=f"INTERNAL: {number}"), answered(0.5, 0.5))
    errors = comparison.summary().errors[8]
    assert len(counted._counts) < 100
    assert len(errors) == REASONS_KEPT + 1 and errors[OTHER_REASONS] == 5000 - REASONS_KEPT
