"""Bad events: harm, its absence, the size of the risk."""

from __future__ import annotations

import math

import pytest
from scipy import optimize

from taxiway.rollout.evidence.harm import (
    BadEvents,
    chance_of_canary,
    harm,
    log_e_harm,
    no_harm,
    no_harm_below,
    relative_risk,
)
from taxiway.rollout.evidence.mixture import log_either


@pytest.mark.parametrize(
    ("ratio", "share", "chance"), [(1, 0.5, 0.5), (2, 0.5, 2 / 3), (1, 0.1, 0.1), (9, 0.1, 0.5), (1.25, 0.5, 5 / 9)]
)
def test_the_chance_that_a_bad_event_is_the_canarys(ratio: float, share: float, chance: float) -> None:
    assert chance_of_canary(ratio, share) == pytest.approx(chance)


def test_nothing_seen_is_no_evidence() -> None:
    assert harm([]).log_e == no_harm([], 2).log_e == harm([BadEvents(0, 0)]).log_e == 0
    assert no_harm_below(0, 0, 0.005).log_e == 0
    assert relative_risk([], 0.05).low == 0
    assert relative_risk([], 0.05).high == math.inf


def test_bad_events_of_the_canary_alone_convict_it() -> None:
    # The fewest that do at one in a hundred: what a budget of affected requests has to leave room for.
    assert not harm([BadEvents(13, 0)]).reaches(0.01)
    assert harm([BadEvents(14, 0)]).reaches(0.01)
    assert not no_harm([BadEvents(14, 0)], 2).reaches(0.05)


def test_bad_events_of_both_alike_clear_it() -> None:
    assert not harm([BadEvents(40, 40)]).reaches(0.5)
    assert no_harm([BadEvents(40, 40)], 2).reaches(0.05)


def test_a_margin_forgives() -> None:
    counts = [BadEvents(60, 40)]
    assert harm(counts).log_e > harm(counts, 0.25).log_e > harm(counts, 0.5).log_e


def test_factors_multiply_when_the_share_changes() -> None:
    first, second = BadEvents(12, 6), BadEvents(5, 30, 0.1)
    expected = float(log_e_harm(12, 6)) + float(log_e_harm(5, 30, 0.0, 0.1))
    assert harm([first, second]).log_e == pytest.approx(expected)


def test_the_same_share_again_goes_on_with_its_factor() -> None:
    parts = [BadEvents(4, 1), BadEvents(2, 9, 0.2), BadEvents(7, 3)]
    assert harm(parts).log_e == pytest.approx(harm([BadEvents(11, 4), BadEvents(2, 9, 0.2)]).log_e)


def test_a_version_that_never_fails_is_cleared_by_its_answers_alone() -> None:
    assert not no_harm_below(0, 700, 0.005).reaches(0.05)
    assert no_harm_below(0, 800, 0.005).reaches(0.05)
    assert no_harm_below(0, 10**8, 0.005).reaches(0.05)
    assert not no_harm_below(50, 10_000, 0.005).reaches(0.05)


def test_the_risk_is_bounded_where_the_test_rejects() -> None:
    found = relative_risk([BadEvents(20, 5)], 0.05)

    def excess(p: float) -> float:
        return float(log_either(20, 25, p, (5, 5))) - math.log(20)

    low, high = optimize.brentq(excess, 0.01, 0.8), optimize.brentq(excess, 0.8, 0.9999)
    assert found.estimate == pytest.approx(4)
    assert found.low == pytest.approx(low / (1 - low))
    assert found.high == pytest.approx(high / (1 - high))


def test_the_risk_of_a_version_that_never_failed_ends_at_nought() -> None:
    found = relative_risk([BadEvents(0, 8)], 0.05)
    assert (found.estimate, found.low) == (0, 0)
    assert 0 < found.high < 2
    other = relative_risk([BadEvents(8, 0)], 0.05)
    assert (other.estimate, other.high) == (math.inf, math.inf)
    assert other.low == pytest.approx(1 / found.high)


def test_the_risk_is_told_from_all_shares_together() -> None:
    alone, more = (
        relative_risk([BadEvents(20, 10)], 0.05),
        relative_risk([BadEvents(20, 10), BadEvents(20, 90, 0.1)], 0.05),
    )
    assert more.estimate == pytest.approx(2, rel=0.01)
    assert more.high - more.low < alone.high - alone.low


def test_a_hundred_million_events_bound_the_risk_closely() -> None:
    found = relative_risk([BadEvents(10**8, 10**8)], 0.05)
    assert found.low == pytest.approx(1, abs=1e-3)
    assert found.high == pytest.approx(1, abs=1e-3)
    assert found.low < 1 < found.high
