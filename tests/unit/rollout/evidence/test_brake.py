"""The hard brake, as a table; and what an e-value says of itself."""

from __future__ import annotations

import math

import pytest

from taxiway.rollout.evidence.brake import Recent, brake
from taxiway.rollout.evidence.evalue import EValue, Interval


@pytest.mark.parametrize(
    ("bad", "answers", "bad_ever", "braked"),
    [
        (0, 0, 0, False),
        (4, 4, 4, False),  # too few to tell a broken version from a broken client
        (5, 5, 5, True),
        (5, 10, 5, False),  # half is not more than half
        (6, 11, 6, True),
        (10, 20, 300, False),
        (11, 20, 11, True),
        (3, 4, 9, True),
    ],
)
def test_it_brakes_when_most_of_the_last_answers_are_bad(bad: int, answers: int, bad_ever: int, braked: bool) -> None:
    assert brake(Recent(bad, answers, bad_ever)) is braked


def test_an_e_value_rejects_at_one_over_alpha() -> None:
    assert EValue(math.log(100)).reaches(0.01)
    assert not EValue(math.log(99)).reaches(0.01)
    assert EValue(math.log(100)).p == pytest.approx(0.01)
    assert EValue(-5).p == 1
    assert EValue(1e9).e == math.inf and EValue(1e9).p == 0


def test_an_interval_holds_its_ends() -> None:
    assert not Interval(1, 0, 2).excludes(0)
    assert Interval(1, 0.5, 2).excludes(0)
