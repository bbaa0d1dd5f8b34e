"""Rows unlike the measured ones, on engines that are functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.workshop import Died
from taxiway.edge.unusual import unlike
from taxiway.errors import FailedPrecondition, InvalidArgument

Answer = Callable[[Any], Any]
ROWS = np.random.default_rng(1).random((50, 4)).astype(np.float32)


def refuse_nan(x: Any) -> Any:
    if np.isnan(x).any():
        raise InvalidArgument("NaN")
    return x.sum(axis=1)


def total(x: Any) -> Any:
    return x.sum(axis=1)


def found(original: Answer, file: Answer, rows: Any = ROWS, batch: int = 1) -> str:
    def ask(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        assert len(inputs["x"]) % batch == 0
        return {"y": original(inputs["x"])}, 0.0

    return unlike({"x": rows}, batch, ask, lambda inputs: {"y": file(inputs["x"])})


@pytest.mark.parametrize(
    ("original", "file", "said"),
    [
        (total, lambda x: np.nansum(x, axis=1), "32 of 32 rows with one NaN in each input .* LiteRT's are numbers"),
        (lambda x: np.nansum(x, axis=1), total, "^$"),
        (lambda x: np.nan_to_num(x).sum(axis=1), lambda x: np.nan_to_num(x, nan=1.0).sum(axis=1), "one NaN .*: by 1"),
        (total, lambda x: total(np.abs(x)), "32 of 32 rows with numbers negated are answered otherwise: by "),
        (total, lambda x: total(np.minimum(x, 1)), "rows with numbers ten times as large .* is allowed"),
        (lambda x: x.argmax(axis=1), lambda x: np.nan_to_num(x).argmax(axis=1), "one NaN .*: other classes"),
        (refuse_nan, lambda x: np.nansum(x, axis=1), "the SavedModel refuses rows with one NaN .* LiteRT answers them"),
        (total, total, "^$"),
        (refuse_nan, refuse_nan, "^$"),
        (refuse_nan, lambda x: refuse_nan(np.abs(x)), "numbers negated"),
    ],
)
def test_a_file_that_answers_unusual_rows_otherwise_is_told(original: Answer, file: Answer, said: str) -> None:
    import re

    assert re.search(said, found(original, file))


def test_rows_are_few_in_whole_batches_and_whole_numbers_stay() -> None:
    asked: list[int] = []

    def count(x: Any) -> Any:
        asked.append(len(x))
        return total(x)

    assert found(count, total, batch=5) == "" and asked == [90]
    assert found(count, total, ROWS.astype(np.int32)) == "" and len(asked) == 1
    before = ROWS.copy()
    found(total, total)
    assert np.array_equal(before, ROWS)


def test_a_file_that_refuses_what_is_answered_or_ends_its_process_is_an_error() -> None:
    with pytest.raises(InvalidArgument, match="NaN"):
        found(total, refuse_nan)

    def die(_: Any) -> Any:
        raise Died("crashed")

    with pytest.raises(FailedPrecondition, match="crashed"):
        found(refuse_nan, die)
