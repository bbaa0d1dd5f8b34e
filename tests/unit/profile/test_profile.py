"""Profiles of rows: what is counted, how large it can become, and that it is read as it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.errors import DataLoss, InvalidArgument, Unimplemented
from taxiway.profile import Categories, Histogram, Numbers, Tensor, measure, read_profile, score_rows
from taxiway.wire.saved_model import PROFILE_FILE

RANDOM = np.random.default_rng(1)


def numbers(values: Any) -> Numbers:
    found = measure({"x": np.asarray(values)}).features["x"]
    assert isinstance(found, Numbers)
    return found


def categories(values: Any) -> Categories:
    found = measure({"x": np.asarray(values)}).features["x"]
    assert isinstance(found, Categories)
    return found


def test_twenty_bins_of_equal_mass() -> None:
    found = numbers(RANDOM.normal(3.0, 2.0, 4000))
    assert len(found.histogram.counts) == 20 and set(found.histogram.counts) == {200}
    assert (found.histogram.under, found.histogram.over, found.histogram.nan) == (0, 0, 0)
    assert found.mean == pytest.approx(3.0, abs=0.2) and found.deviation == pytest.approx(2.0, abs=0.2)


def test_what_is_no_number_is_counted_beside_the_bins() -> None:
    found = numbers([0.0, 1.0, np.nan, np.inf, -np.inf, np.nan])
    assert (found.histogram.under, found.histogram.over, found.histogram.nan) == (1, 1, 2)
    assert (found.minimum, found.maximum, sum(found.histogram.counts)) == (0.0, 1.0, 2)
    nothing = numbers([np.nan, np.nan])
    assert nothing.minimum is None and nothing.histogram == Histogram(nan=2)


def test_one_value_has_one_bin_and_others_fall_beside_it() -> None:
    found = numbers([2.5] * 9).histogram
    assert (found.edges, found.counts) == ((2.5, 2.5), (9,))
    assert Histogram.of(np.array([1.0, 2.5, 3.0]), found.edges) == Histogram((2.5, 2.5), (1,), 1, 1)


@given(st.lists(st.floats(width=32), min_size=1, max_size=60), st.lists(st.floats(width=32), max_size=60))
def test_every_value_is_counted_once(rows: list[float], later: list[float]) -> None:
    edges = numbers(rows).histogram.edges
    for values in (rows, later):
        found = Histogram.of(np.array(values, np.float64), edges)
        counted = sum(found.counts) + found.under + found.over + found.nan
        assert counted == (len(values) if edges else sum(np.isnan(values)))


def test_texts_and_whole_numbers_of_few_kinds_are_categories() -> None:
    found = categories(["b", "a", "b", "c"])
    assert found.top == {"b": 2, "a": 1, "c": 1} and found.lengths is not None and found.lengths.mean == 1.0
    assert categories(np.array([3, 3, 7])).top == {"3": 2, "7": 1}
    many = categories([f"word {number}" for number in range(70)] + ["often"] * 5)
    assert next(iter(many.top)) == "often" and len(many.top) == 50 and (many.other, many.distinct) == (21, 71)
    assert many.total == 75
    long = categories(np.array([b"\xff" + b"y" * 500], object))
    assert next(iter(long.top)).startswith("\\xff") and len(next(iter(long.top))) == 80


def test_columns_are_features_and_wide_tensors_are_one() -> None:
    found = measure({"table": np.zeros((5, 3)), "one": np.zeros((5, 1)), "image": RANDOM.random((5, 28, 28))})
    assert list(found.features) == ["table[0]", "table[1]", "table[2]", "one", "image"]
    image = found.features["image"]
    assert isinstance(image, Tensor) and image.shape == (28, 28)
    assert sum(image.elements.histogram.counts) == 5 * 784 and sum(image.row_means.histogram.counts) == 5


def test_a_profile_is_small_and_the_same_each_time_whatever_the_rows_are() -> None:
    rows = {f"x{n}": RANDOM.normal(size=(21_000, 60)).astype("f") for n in range(6)}
    found = measure(rows)
    assert (found.rows, len(found.features), found.left_out) == (20_000, 256, 104)
    assert len(json.dumps(found.as_json())) < 400_000
    assert measure(rows) == found


def test_answers_are_classes_or_numbers() -> None:
    x = {"x": np.zeros(4)}
    for answers in (np.array([0, 2, 2, 2]), np.array([0.0, 2.0, 2.0, 2.0]), np.eye(3)[[0, 2, 2, 2]]):
        classes = measure(x, answers).answers["answer"]
        assert isinstance(classes, Categories) and classes.top == {"2": 3, "0": 1}
    several = measure(x, {"price": np.array([0.5, 1.5, 2.5, 9.75]), "kind": np.array(["a", "b", "a", "a"])}).answers
    assert isinstance(several["price"], Numbers) and isinstance(several["kind"], Categories)


def test_scores_have_bins_classes_and_what_they_are_worth() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    found = score_rows("p", probabilities, "validation", np.array([0, 0, 1]))
    assert found is not None and found.predicted is not None
    assert found.metrics == {"accuracy": pytest.approx(2 / 3)} and found.predicted.top == {"1": 2, "0": 1}
    assert len(found.histogram.counts) == 20 and (found.histogram.edges[0], found.histogram.edges[-1]) == (0.0, 1.0)
    sure = score_rows("p", np.array([[0.7], [0.2]]), "training", np.array([1, 1]))
    assert sure is not None and sure.metrics == {"accuracy": 0.5}
    price = score_rows("price", np.array([10.0, 20.0]), "training", np.array([11.0, 23.0]))
    assert price is not None and price.metrics["mean_absolute_error"] == 2.0
    assert score_rows("class", np.array([1, 2]), "training") is None


@pytest.mark.parametrize("inputs", [{}, {"x": np.zeros((0, 3))}, {"x": np.zeros(3), "y": np.zeros(4)}, {"x": 1.0}])
def test_rows_must_be_as_many_everywhere(inputs: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="as many in each array"):
        measure(inputs)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_profile(tmp_path) is None
    inputs = {"image": RANDOM.random((9, 8, 9)), "text": np.array(["a"] * 9), "age": np.arange(9) / 7}
    whole = replace(measure(inputs, np.arange(9)), scores=score_rows("p", RANDOM.random((9, 3)), "training"))
    path = tmp_path / PROFILE_FILE
    path.parent.mkdir()
    path.write_text(json.dumps(whole.as_json(), allow_nan=False))
    assert read_profile(tmp_path) == whole
    path.write_text(json.dumps({**whole.as_json(), "schema": 2}))
    with pytest.raises(Unimplemented, match="schema 2"):
        read_profile(tmp_path)
    for broken in ({**whole.as_json(), "features": {"x": {"kind": "?"}}}, {"schema": 1}):
        path.write_text(json.dumps(broken))
        with pytest.raises(DataLoss, match="is no profile"):
            read_profile(tmp_path)
