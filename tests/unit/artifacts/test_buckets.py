"""Rows and the signatures for fixed numbers of them: names, choices, what is filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.buckets import Chunk, buckets_of, checked_batches, chunks, filled
from taxiway.errors import InvalidArgument
from taxiway.wire.signatures import Signature, TensorSpec


def taking(rows: int | None, size: int = 8, number: int = 1) -> Signature:
    return Signature({"x": TensorSpec(number, (rows, size))}, {"y": TensorSpec(1, (rows, 2))})


def test_rows_go_to_the_smallest_signature_that_holds_them() -> None:
    cases: list[tuple[int, list[tuple[int, int, int]]]] = [
        (1, [(0, 1, 1)]),
        (3, [(0, 3, 4)]),
        (8, [(0, 8, 8)]),
        (10, [(0, 8, 8), (8, 10, 4)]),
        (21, [(0, 8, 8), (8, 16, 8), (16, 21, 8)]),
    ]
    for rows, parts in cases:
        assert chunks(rows, [8, 1, 4]) == [Chunk(*one) for one in parts]
    assert chunks(0, [4]) == []


def test_missing_rows_are_the_last_one_again() -> None:
    rows = {"x": np.arange(6).reshape(3, 2), "y": np.arange(3)}
    assert filled(rows, 5)["x"].tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert filled(rows, 5)["y"].tolist() == [0, 1, 2, 2, 2] and filled(rows, 3)["x"] is rows["x"]


def test_a_signature_for_so_many_rows_is_known_by_its_name_and_its_shapes() -> None:
    signatures = {
        "s": taking(None), "s_4": taking(4), "s_1": taking(1), "s_16": taking(16),
        "s_2": taking(3), "s_3": taking(3, size=9), "s_5": taking(5, number=2), "s_6": taking(None),
        "s_007": taking(7), "s_²": taking(2), "t_8": taking(8),
    }  # fmt: skip
    assert list(buckets_of("s", signatures).items()) == [(1, "s_1"), (4, "s_4"), (16, "s_16")]
    assert buckets_of("s_4", signatures) == {}
    # One that is fixed itself has others beside it all the same.
    assert buckets_of("s", {"s": taking(1), "s_4": taking(4)}) == {4: "s_4"}


def test_batches_are_whole_numbers_each_once() -> None:
    assert checked_batches([8, 1, 4]) == (1, 4, 8)
    wrong: list[tuple[list[Any], str]] = [
        ([0], "0 is no number of rows"),
        ([-4], "-4 is no number of rows"),
        ([True], "True is no number of rows"),
        (["4"], "'4' is no number of rows"),
        ([1 << 20], "1048576 is no number of rows"),
        ([4, 1, 4], "A batch of 4 is asked for twice"),
        (list(range(1, 18)), "17 batches are asked for, and a file has 16 at most"),
    ]
    for batches, said in wrong:
        with pytest.raises(InvalidArgument, match=said):
            checked_batches(batches)
