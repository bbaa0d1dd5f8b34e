"""Every cell of the table of strategies is a test or a sentence."""

from __future__ import annotations

from tools import strategies_table as table
from tools.marks import Pin


def test_every_cell_is_a_test_or_a_sentence() -> None:
    assert list(table.problems(table.pins(), table.reasons())) == []


def test_a_cell_that_nothing_stands_behind_is_found() -> None:
    full = {(row, column): [Pin("tests/test_x.py", "test_x")] for row in table.ROWS for column in table.COLUMNS}
    cell = ("mirrored", "resumes")
    lacking = {one: tests for one, tests in full.items() if one != cell}
    assert list(table.problems(full, {})) == []
    assert list(table.problems(lacking, {})) == ["mirrored / resumes has neither a test nor a reason"]
    assert list(table.problems(lacking, {cell: "Because."})) == []
    assert list(table.problems(full, {cell: "Because."})) == ["mirrored / resumes has a test: take its reason away"]
    assert list(table.problems({**full, ("auto", "resumes"): []}, {})) == [
        "auto / resumes is no cell of the table of strategies"
    ]
