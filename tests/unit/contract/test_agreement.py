"""Answers beside answers: what counts as the same, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from taxiway.contract import compare, lower_bound, noise_floor, nudged, rows_needed, tolerance
from taxiway.contract.agreement import border_of
from taxiway.contract.noise import floor_of, row_noise
from taxiway.errors import InvalidArgument

SURE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)


def changed(array: Any, row: int, value: Any) -> Any:
    other = array.copy()
    other[row] = value
    return other


def test_rows_with_the_same_top_class_agree_however_far_the_scores_are() -> None:
    found = compare({"p": SURE}, {"p": changed(SURE, 1, [0.4, 0.6])})
    assert (found.rows, found.agreeing, found.agreement) == (3, 3, 1.0)
    assert found.largest_difference == pytest.approx(0.2) and found.mean_difference == pytest.approx(0.4 / 6)
    assert found.row_differences == pytest.approx([0, 0.2, 0])
    flipped = compare({"p": SURE}, {"p": changed(SURE, 1, [0.6, 0.4])})
    assert flipped.agreeing == 2 and flipped.agreement_lower is not None and flipped.agreement_lower < 2 / 3


def test_numbers_that_are_no_scores_have_no_classes() -> None:
    found = compare({"price": SURE[:, 0]}, {"price": SURE[:, 0] + 1})
    assert (found.agreeing, found.agreement, found.agreement_lower) == (None, None, None)
    boxes = np.array([[0.0, 5.0], [9.0, 2.0]], np.float32)
    assert compare({"boxes": boxes}, {"boxes": boxes[:, ::-1]}).agreeing is None
    assert compare({"boxes": boxes}, {"boxes": boxes[:, ::-1]}, scores="boxes").agreeing == 0
    assert compare({"logits": boxes}, {"logits": boxes[:, ::-1]}).agreeing == 0


def test_a_single_score_is_the_second_of_two_classes() -> None:
    chance = np.array([[0.2], [0.7], [0.51]], np.float32)
    assert compare({"probabilities": chance}, {"probabilities": chance - 0.1}).agreeing == 2
    assert compare({"price": chance}, {"price": chance - 0.1}).agreeing is None


def test_a_single_score_that_leaves_0_to_1_is_a_logit_and_cut_at_0() -> None:
    logit = np.array([[-2.0], [0.3], [3.0]], np.float32)
    found = compare({"y": logit}, {"y": logit - 0.5}, scores="y", labels=np.array([0, 1, 1]))
    assert (found.agreeing, found.reference_accuracy) == (2, 1.0) and found.accuracy == pytest.approx(2 / 3)
    assert border_of(logit) == 0 and border_of(logit[:, 0]) == 0
    assert border_of(np.array([0.0, 1.0001, np.nan], np.float32)) == 0.5 and border_of(9 * SURE) == 0.5


def test_whole_numbers_and_texts_must_be_the_same_beside_the_scores() -> None:
    reference = {"p": SURE, "digit": np.array([0, 1, 0]), "name": np.array([b"a", b"b", b"a"], object)}
    assert compare(reference, reference).agreeing == 3
    assert compare(reference, {**reference, "digit": np.array([0, 1, 1])}).agreeing == 2
    assert compare(reference, {**reference, "name": np.array([b"c", b"b", b"a"], object)}).agreeing == 2


def test_accuracy_is_of_the_labels_and_of_both() -> None:
    worse = {"p": changed(SURE, 0, [0.3, 0.7])}
    for labels in (np.array([0, 1, 1]), np.eye(2)[[0, 1, 1]]):
        found = compare({"p": SURE}, worse, labels=labels)
        assert found.reference_accuracy == pytest.approx(2 / 3) and found.accuracy == pytest.approx(1 / 3)
    logits = SURE * 10 - 5
    assert compare({"y": logits}, {"y": logits}, labels=np.array([0, 1, 0])).accuracy == 1.0
    assert compare({"digit": np.array([1, 2])}, {"digit": np.array([1, 0])}, labels=np.array([1, 2])).accuracy == 0.5


def test_rows_that_are_nan_are_counted_unless_the_original_is() -> None:
    broken = {"p": changed(SURE, 1, np.nan)}
    found = compare({"p": SURE}, broken)
    assert (found.not_finite, found.agreeing, found.largest_difference) == (1, 2, float("inf"))
    assert found.as_json()["largest_difference"] is None and np.isfinite(found.mean_difference)
    alike = compare(broken, broken)
    assert (alike.not_finite, alike.largest_difference) == (0, 0.0)


@pytest.mark.parametrize(
    ("reference", "candidate", "labels", "said"),
    [
        ({"p": SURE}, {"q": SURE}, None, "'p' is missing; there are q"),
        ({"p": SURE}, {"p": SURE[:2]}, None, r"shape \[2, 2\]; the original's is \[3, 2\]"),
        ({"p": np.float32(1)}, {"p": np.float32(1)}, None, "has no rows"),
        ({"p": SURE, "q": SURE[:2]}, {"p": SURE, "q": SURE[:2]}, None, "have 2, 3 rows"),
        ({"p": SURE[:0]}, {"p": SURE[:0]}, None, "no rows to compare"),
        ({}, {}, None, "nothing to compare"),
        ({"p": SURE}, {"p": SURE}, np.array([0, 1]), r"shape \[2\] .* each of the 3 rows"),
        ({"p": SURE}, {"p": SURE}, np.array(["a", "b", "c"]), "a class for each of the 3 rows"),
        ({"p": SURE[:, 0]}, {"p": SURE[:, 0]}, np.array([0, 1, 0]), "none of 'p' holds scores"),
    ],
)
def test_what_cannot_be_compared_says_why(reference: Any, candidate: Any, labels: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        compare(reference, candidate, labels=labels)


@given(st.integers(1, 400).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_bound_is_the_exact_one(case: tuple[int, int]) -> None:
    successes, rows = case
    exact = binomtest(successes, rows, alternative="greater").proportion_ci(0.95, method="exact").low
    assert lower_bound(successes, rows, 0.95) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(
    ("share", "confidence", "rows"), [(0.99, 0.95, 299), (0.97, 0.95, 99), (0.5, 0.5, 1), (0, 0.9, 1)]
)
def test_how_many_rows_show_a_share(share: float, confidence: float, rows: int) -> None:
    assert rows_needed(share, confidence) == rows
    assert lower_bound(rows, rows, confidence) >= share
    assert rows == 1 or lower_bound(rows - 1, rows - 1, confidence) < share


def test_the_floor_is_what_rounding_moves() -> None:
    rows = {"x": np.array([1.0, 2.0], np.float32), "n": np.array([1, 2])}
    moved = nudged(rows)
    assert moved["x"].dtype == np.float32 and (moved["x"] > rows["x"]).all() and (moved["n"] == rows["n"]).all()
    assert (nudged(rows, -np.inf)["x"] < rows["x"]).all()

    def steep(given: dict[str, Any]) -> dict[str, Any]:
        return {"y": given["x"] * np.float32(1e6)}

    floor = noise_floor(steep(rows), [steep(moved), steep(nudged(rows, -np.inf))])
    assert 0.05 < floor < 1
    assert (
        tolerance(floor, scale=2e6) == 20
        and tolerance(1e-4) == 8e-4
        and tolerance(0) == 1e-5
        and tolerance(0, scale=100) == pytest.approx(1e-3)
    )
    assert noise_floor(steep(rows), [{"y": np.array([np.inf, 0])}]) == 0.0


def test_a_row_at_a_step_does_not_excuse_the_others() -> None:
    noise = np.full(300, 1e-6)
    assert floor_of(noise, 1.0) == (1e-6, 0)
    noise[7] = 0.2  # moved over the border of a bucket
    assert floor_of(noise, 1.0) == (1e-6, 1) and floor_of(noise, 1000.0) == (0.2, 0)
    noise[:40] = 0.2
    assert floor_of(noise, 1.0) == (0.2, 0)  # too many for an exception
    assert tolerance(0.2) == 0.01 and tolerance(0.2, scale=50) == 0.5
    answers = {"y": np.arange(3.0)}
    assert row_noise(answers, [{"y": np.array([0, 1.5, 2])}, {"y": np.array([0.25, 1, np.inf])}]).tolist() == [
        0.25,
        0.5,
        0,
    ]
