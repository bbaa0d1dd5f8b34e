"""What people see of a rollout: what is not known yet says so, and a line comes when there is news."""

from __future__ import annotations

from typing import Any

import pytest

from taxiway.cli.history import _detail
from taxiway.cli.rollout import follow
from taxiway.cli.rollout_view import line_of, show

GUARD: dict[str, Any] = {"name": "errors", "finding": "not decided", "estimate": 1.0, "low": 0.0, "high": None,
                         "requests_to_decide": 1200, "seconds_to_decide": 60, "in_points": False}  # fmt: skip
ROLLOUT: dict[str, Any] = {
    "model": "digits", "from": 1, "to": 2, "state": "canary", "over": False, "step": 1, "steps": [10, 50], "arms": [],
    "guards": [GUARD], "goal": None, "goal_name": None, "notes": [], "requests_per_second": 76.608, "rule": "MINIMUM",
    "text": "", "because": "", "crashes": 0,
    "next": {"rule": "MINIMUM", "text": "more", "because": "", "change": None, "call_somebody": False},
}  # fmt: skip


def shown(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    show({**ROLLOUT, **changes})
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("guard", "cells"),
    [
        ({}, ["errors", "?", "1,200", "(60", "s)"]),
        ({"low": 0.5}, ["errors", "x1.00", "x0.50", "any", "1,200"]),
        ({"low": 0.5, "high": 2.0}, ["errors", "x1.00", "x0.50", "x2.00", "1,200"]),
        ({"in_points": True, "low": -1.0, "high": 1.0}, ["errors", "?", "1,200"]),
        ({"in_points": True, "estimate": -0.02, "low": -0.05, "high": 0.01}, ["-2.0 pt", "-5.0 pt", "+1.0 pt"]),
    ],
)
def test_a_guard_shows_what_is_known(
    capsys: pytest.CaptureFixture[str], guard: dict[str, Any], cells: list[str]
) -> None:
    [row] = [line for line in shown(capsys, guards=[{**GUARD, **guard}]).splitlines() if line.startswith("errors")]
    assert " ".join(row.split()).find(" ".join(cells)) >= 0, row


def test_what_is_over_needs_no_more_requests_and_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "76.6 requests a second" in shown(capsys) and "1,200" in shown(capsys)
    over = shown(capsys, over=True, next=None, state="rolled back")
    assert "a second" not in over and "1,200" not in over


def test_a_log_gets_a_line_when_there_is_news_and_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    other = {**ROLLOUT, "guards": [{**GUARD, "finding": "perhaps worse"}]}
    follow([*[ROLLOUT] * 5, other, *[other] * 6], redraw=False)
    assert capsys.readouterr().out.splitlines() == [line_of(ROLLOUT), line_of(other), line_of(other)]


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("adopt", {"version": 1}, "1; newer ones wait for a rollout"),
        ("release", {"version": None}, "all"),
        ("rollback", {"from": 2, "to": 1}, "from 2 to 1"),
        ("rollout-changed", {"state": "warming", "change": "BEGIN", "rule": "BEGIN", "step": -1}, "warming"),
        (
            "rollout-changed",
            {"state": "rolling back", "change": "ROLL_BACK", "rule": "HARM", "because": "errors", "step": 0},
            "rolling back: a guard has evidence of harm (errors)",
        ),
        (
            "rollout-changed",
            {"state": "rolled back", "change": "ROLLED_BACK", "rule": "HARM", "because": "errors", "step": 0},
            "rolled back",
        ),
        ("rollout-crashed", {"server": ""}, "a server ended in no order, and is back"),
        ("rollout-left", {"server": "b:8501:8500"}, "a server was stopped in order (b:8501:8500)"),
        ("rollout-closed", {"because": "version 3 answers"}, "version 3 answers"),
    ],
)
def test_the_history_says_what_happened_in_words(kind: str, data: dict[str, Any], said: str) -> None:
    assert _detail(kind, data) == said


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


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"state": "pending"}, {"rule": "BEGIN", "change": "begin"}, "next: the new version is loaded"),
        ({"state": "warming"}, {"rule": "UNDER_WAY"}, "waiting: the new version is being loaded"),
        ({"state": "warming"}, {"rule": "UNDER_WAY", "because": "7 of 9"}, "waiting: 7 of 9"),
        ({"state": "warming"}, {"rule": "ARRIVED", "change": "let it answer"}, "next: let it answer"),
        ({"state": "rolling back"}, {"rule": "UNDER_WAY"}, "waiting: until the old version answers all requests"),
        ({"state": "rolled back", "rule": "BY_HAND", "because": "abort by ann"}, None, "over: abort by ann"),
    ],
)
def test_the_last_line_says_what_comes_in_words_of_the_state(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], step: dict[str, Any] | None, said: str
) -> None:
    following = None if step is None else {**ROLLOUT["next"], **step}
    assert shown(capsys, **changes, over=step is None, next=following).splitlines()[-1] == said


def test_what_is_not_measured_yet_and_what_nothing_was_bad_in_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    arm = {
        "arm": "canary",
        "version": 2,
        "share": 10,
        "answered": 5,
        "units": 5,
        "bad_answers": {"errors": 0, "p95": 0},
    }
    told = shown(capsys, state="warming", requests_per_second=0.0, arms=[arm])
    assert "a second" not in told and "errors 0" in told and "p95" not in told


def test_who_judges_is_shown_where_several_servers_may(capsys: pytest.CaptureFixture[str]) -> None:
    assert "judged by: pod-1" in shown(capsys, leader="pod-1")
    assert "judged by" not in shown(capsys, leader="")


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (
            "rollout-led",
            {"server": "b", "after": "a", "crashed": True},
            "b judges it from now on, after a ended in no order",
        ),
        ("rollout-led", {"server": "b", "after": "(nobody)", "crashed": False}, "b judges it from now on"),
        (
            "rollout-changed",
            {"state": "canary", "step": 0, "rule": "BY_HAND", "change": "RESUME_CANARY", "because": "resume by ann"},
            "canary, step 1: resume by hand",
        ),
    ],
)
def test_a_history_says_who_judges_and_what_was_done_by_hand(kind: str, data: dict[str, Any], said: str) -> None:
    assert _detail(kind, data) == said
