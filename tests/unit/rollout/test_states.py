"""The table of a rollout's transitions, and what is drawn from it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.rollout.states import EXPOSED, FINAL, TRANSITIONS, Change, State, allowed, diagram, follow


def test_every_state_is_reached_and_every_change_is_used() -> None:
    assert set(TRANSITIONS.values()) | {State.PENDING} == set(State)
    assert {change for _, change in TRANSITIONS} == set(Change)


def test_every_state_but_the_last_ones_is_left() -> None:
    assert {before for before, _ in TRANSITIONS} == set(State) - FINAL


def test_only_what_the_table_says_happens() -> None:
    for before, change in itertools.product(State, Change):
        if (before, change) in TRANSITIONS:
            assert follow(before, change) is TRANSITIONS[before, change]
        else:
            with pytest.raises(FailedPrecondition, match=before.value) as caught:
                follow(before, change)
            verbs = {Change.PAUSE: "pause", Change.PROMOTE: "promote", Change.ROLL_BACK: "abort"}
            can = str(caught.value.hint)
            assert all((verb in can) == (each in allowed(before)) for each, verb in verbs.items()), can


def test_wherever_requests_may_reach_it_one_step_goes_back() -> None:
    for state in EXPOSED | {State.SHADOW, State.WARMING}:
        assert follow(state, Change.ROLL_BACK) is State.ROLLING_BACK


def test_nothing_is_live_that_was_not_a_canary() -> None:
    before = {state: {s for (s, _), after in TRANSITIONS.items() if after is state} for state in State}
    assert before[State.LIVE] == {State.PROMOTING}
    assert before[State.PROMOTING] == {State.CANARY, State.PAUSED}
    assert State.PENDING not in before[State.CANARY]


def test_from_everywhere_an_end_is_near() -> None:
    reached = set(FINAL)
    for _ in range(3):
        reached |= {before for (before, _), after in TRANSITIONS.items() if after in reached}
    assert reached == set(State)


def test_the_diagram_has_every_transition_and_stands_in_the_document() -> None:
    drawn = diagram()
    assert drawn.count("-->") == len(TRANSITIONS) + 1 + len(FINAL)
    page = Path(__file__).parents[3] / "docs" / "concepts" / "rollout-states.md"
    assert f"```mermaid\n{drawn}```" in page.read_text("utf-8")
