"""What people see of a rollout."""

from __future__ import annotations

from typing import Any

import pytest

from taxiway.cli.rollout_view import show

ROLLOUT: dict[str, Any] = {
    "model": "digits", "from": 1, "to": 2, "state": "shadow", "over": False, "step": 0, "steps": [50.0],
    "requests_per_second": 12.5, "arms": [], "guards": [], "goal": None, "crashes": 0, "max_crashes": 3, "text": "",
    "because": "", "next": {"text": "wait", "because": "", "change": None, "call_somebody": False},
}  # fmt: skip
SAME = {
    "compared": 1200, "rows": 2400, "differing_rows": 0, "ranked_rows": 2400, "top1_flips": 0, "unlike": 0,
    "largest_difference": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("shadow", "said"),
    [
        (SAME, "1,200 answers compared, 0 of 2,400 rows differ, 0 of 2,400 have another class first\n"),
        (
            {**SAME, "differing_rows": 30, "top1_flips": 4, "largest_difference": 0.25},
            "1,200 answers compared, 30 of 2,400 rows differ, by 0.25 at most, 4 of 2,400 have another class first\n",
        ),
        (
            {**SAME, "ranked_rows": 0, "unlike": 3, "largest_difference": "infinite"},
            "1,200 answers compared, 0 of 2,400 rows differ, 3 answers are of another shape\n",
        ),
    ],
)
def test_how_a_shadow_differs_is_one_line(
    shadow: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show({**ROLLOUT, "shadow": shadow})
    assert f"shadow: {said}" in capsys.readouterr().out
    show({**ROLLOUT, "shadow": None})
    assert "shadow: " not in capsys.readouterr().out
