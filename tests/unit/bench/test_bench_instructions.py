"""A count is compared with what is held, and what is wrong says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import instructions


@pytest.mark.parametrize("counted", [850, 1000, 1050])
def test_a_count_near_what_is_held_is_right(counted: int) -> None:
    assert instructions.problem("encode", counted, 1000) is None


def test_more_instructions_are_a_problem_with_both_numbers_and_what_to_do() -> None:
    assert instructions.problem("encode", 11_010, 10_000) == (
        "encode: 11,010 instructions, +10.1% against 10,000 in bench/instructions.toml. "
        "Find what costs them; if it is worth that, raise the number and say why in the commit."
    )


def test_a_gain_is_to_be_kept() -> None:
    assert instructions.problem("encode", 8_400, 10_000) == (
        "encode: 8,400 instructions, -16.0% against 10,000 in bench/instructions.toml. "
        "Lower the number in bench/instructions.toml, so that the gain is kept."
    )


def test_numbers_are_read_with_the_compiler_that_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "held.toml"
    path.write_text('rustc = "1.95.0"\n[held]\nencode = 5_600\n')
    assert instructions.load(path) == instructions.Held("1.95.0", {"encode": 5600})
