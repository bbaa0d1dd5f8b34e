"""Which weights are pruned, and when."""

from __future__ import annotations

import numpy as np
import pytest

from taxiway.edge.masks import Pattern, Schedule, magnitude_mask, parse_pattern, pattern_mask
from taxiway.errors import InvalidArgument


def test_the_schedule_is_steep_first_and_flat_at_its_end() -> None:
    schedule = Schedule(0.8, 10, 110)
    assert [schedule.at(step) for step in (0, 9, 10, 110, 1000)] == [0.0, 0.0, 0.0, 0.8, 0.8]
    assert schedule.at(60) == pytest.approx(0.8 * (1 - 0.5**3))
    path = [schedule.at(step) for step in range(10, 111)]
    steps = np.diff(path)
    assert np.all(steps >= 0) and np.all(np.diff(steps) <= 1e-12)
    assert Schedule(0.5, 3, 3).at(3) == 0.5
    for sparsity, begin, end in [
        (0.0, 0, 1),
        (1.0, 0, 1),
        (1.2, 0, 1),
        (0.5, 5, 1),
        (0.5, -1, 1),
        (float("nan"), 0, 1),
    ]:
        with pytest.raises(InvalidArgument):
            Schedule(sparsity, begin, end)


def test_the_smallest_go_and_just_as_many_as_asked_for() -> None:
    weights = np.array([[3.0, -0.1], [0.2, -5.0]], np.float32)
    assert magnitude_mask(weights, 0.5).tolist() == [[1, 0], [0, 1]]
    assert magnitude_mask(np.ones((10, 10), np.float32), 0.37).sum() == 63
    assert magnitude_mask(weights, 0.0).sum() == 4


def test_a_pattern_keeps_so_many_of_every_group_of_inputs() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 3, 10, 5)).astype(np.float32)
    mask = pattern_mask(weights, Pattern(2, 4), 0.5)
    for start, stay in ((0, 2), (4, 2), (8, 1)):  # the last group has two
        assert np.all(mask[:, :, start : start + 4].sum(2) == stay)
    kept, gone = np.abs(weights * mask)[:, :, :4], np.abs(weights * (1 - mask))[:, :, :4]
    assert np.all(np.sort(kept, 2)[:, :, 2] >= gone.max(2))
    # On the way there, more stay.
    assert np.all(pattern_mask(weights, Pattern(1, 4), 0.5)[:, :, :8].reshape(3, 3, 2, 4, 5).sum(3) == 2)
    assert pattern_mask(weights, Pattern(2, 4), 0.0).sum() == weights.size


def test_a_pattern_is_two_numbers() -> None:
    assert parse_pattern(" 2:4 ") == Pattern(2, 4) and Pattern(1, 4).sparsity == 0.75
    for text in ("", "4", "4:2", "0:4", "2:2", "2:4:8", "-1:4", "a:b"):
        with pytest.raises(InvalidArgument, match="is no pattern"):
            parse_pattern(text)
