"""The table of transitions and what is drawn from it."""

from __future__ import annotations

import itertools

import pytest

from taxiway.errors import Internal
from taxiway.serve.lifecycle import TRANSITIONS, Change, State, diagram, follow
from taxiway.serve.retry import Backoff


def test_every_state_is_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State)


def test_only_what_the_table_says_happens() -> None:
    for before, change in itertools.product(State, Change):
        if (before, change) in TRANSITIONS:
            assert follow(before, change) is TRANSITIONS[before, change]
        else:
            with pytest.raises(Internal, match=before.value):
                follow(before, change)


def test_only_a_loaded_version_becomes_available() -> None:
    assert [pair for pair, after in TRANSITIONS.items() if after is State.AVAILABLE] == [(State.LOADING, Change.LOADED)]


def test_the_diagram_has_every_transition() -> None:
    drawn = diagram()
    assert drawn.startswith("stateDiagram-v2\n")
    assert drawn.count("-->") == len(TRANSITIONS) + 1
    assert "    LOADING --> AVAILABLE: loaded\n" in drawn


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [(1, 0.0, 1.0), (2, 0.0, 2.0), (3, 0.0, 4.0), (3, 1.0, 2.0), (4, 0.0, 5.0), (5, 0.0, None), (9, 0.5, None)],
)
def test_waits_double_up_to_a_limit(failures: int, chance: float, seconds: float | None) -> None:
    assert Backoff(1.0, 5.0, attempts=5).delay_seconds(failures, lambda: chance) == seconds


def test_thousands_of_failures_are_no_overflow() -> None:
    assert Backoff(1.0, 60.0, attempts=10**6).delay_seconds(5000, lambda: 0.0) == 60.0
