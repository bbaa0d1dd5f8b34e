"""What must hold of the evidence for every count."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.rollout.evidence.harm import (
    BadEvents,
    chance_of_canary,
    harm,
    log_e_ceiling,
    log_e_harm,
    log_e_no_harm,
    no_harm,
    relative_risk,
)
from taxiway.rollout.evidence.paired import Paired, log_e_differs, log_e_not_worse, paired_harm
from taxiway.rollout.evidence.ratio import log_bayes_factor

COUNTS = st.integers(0, 5000)
SHARES = st.floats(0.01, 0.99)
MARGINS = st.floats(0, 4)


@given(canary=COUNTS, control=COUNTS, share=SHARES, margin=MARGINS, p=st.floats(0, 1))
def test_a_bet_on_harm_gains_nothing_while_there_is_none(
    canary: int, control: int, share: float, margin: float, p: float
) -> None:
    """From any state, the expected wealth after one more bad event is at most the wealth: for every p up to p₀."""
    now = float(log_e_harm(canary, control, margin, share))
    up, down = (float(log_e_harm(canary + hit, control + 1 - hit, margin, share)) - now for hit in (1, 0))
    p *= chance_of_canary(1 + margin, share)
    assert p * math.exp(up) + (1 - p) * math.exp(down) <= 1 + 1e-6


@given(canary=COUNTS, control=COUNTS, share=SHARES, ratio=st.floats(1.05, 5), p=st.floats(0, 1))
def test_a_bet_on_safety_gains_nothing_while_there_is_harm(
    canary: int, control: int, share: float, ratio: float, p: float
) -> None:
    now = float(log_e_no_harm(canary, control, ratio, share))
    up, down = (float(log_e_no_harm(canary + hit, control + 1 - hit, ratio, share)) - now for hit in (1, 0))
    p0 = chance_of_canary(ratio, share)
    p = p0 + p * (1 - p0)
    assert p * math.exp(up) + (1 - p) * math.exp(down) <= 1 + 1e-6


@pytest.mark.parametrize("points", [0.005, 0.01, 0.2])
@pytest.mark.parametrize("better", [0.0, 0.1, 0.3])
def test_the_paired_bet_gains_nothing_while_the_version_is_worse(points: float, better: float) -> None:
    """All outcomes of six requests, weighed: E[E₆] ≤ 1."""
    chances = {"b": better, "c": better + points, "s": 1 - 2 * better - points}
    expected = 0.0
    for outcome in itertools.product("bcs", repeat=6):
        b, c, same = (outcome.count(kind) for kind in "bcs")
        weight = math.prod(chances[kind] for kind in outcome)
        expected += weight * math.exp(float(log_e_not_worse(b, c, same, points)))
    assert expected <= 1 + 1e-9


@pytest.mark.parametrize("tosses", [1, 7, 40])
@pytest.mark.parametrize(("margin", "share"), [(0.0, 0.5), (0.25, 0.5), (1.0, 0.2)])
def test_on_the_boundary_the_expected_wealth_is_what_was_put_in(tosses: int, margin: float, share: float) -> None:
    p0, k = chance_of_canary(1 + margin, share), np.arange(tosses + 1)
    weight = np.array([math.comb(tosses, int(s)) * p0**s * (1 - p0) ** (tosses - s) for s in k])
    assert float(weight @ np.exp(log_e_harm(k, tosses - k, margin, share))) == pytest.approx(1)
    assert float(weight @ np.exp(log_e_no_harm(k, tosses - k, 1 + margin, share))) == pytest.approx(1)


@given(canary=COUNTS, control=COUNTS, share=SHARES, margin=MARGINS)
def test_more_bad_events_of_the_canary_are_more_harm_and_less_safety(
    canary: int, control: int, share: float, margin: float
) -> None:
    if control:
        moved = (canary + 1, control - 1)
        assert float(log_e_harm(*moved, margin, share)) > float(log_e_harm(canary, control, margin, share))
        assert float(log_e_no_harm(*moved, 1 + margin, share)) < float(
            log_e_no_harm(canary, control, 1 + margin, share)
        )


@given(canary=COUNTS, control=COUNTS, ratio=st.floats(1.0, 5))
def test_safety_is_harm_seen_from_the_other_side(canary: int, control: int, ratio: float) -> None:
    """With the arms swapped, "at least r times" reads "at most 1/r times"; at r = 1 the priors agree."""
    mirrored = float(log_e_no_harm(canary, control, 1.0))
    assert mirrored == pytest.approx(float(log_e_harm(control, canary, 0.0)), abs=1e-6)
    assert not (
        harm([BadEvents(canary, control)]).reaches(0.01) and no_harm([BadEvents(canary, control)], 1).reaches(0.05)
    )
    assert float(log_e_no_harm(canary, control, ratio)) >= mirrored - 40


@given(bad=st.integers(0, 200), answered=st.integers(0, 10_000), ceiling=st.floats(0.001, 0.5))
def test_a_bet_below_a_ceiling_gains_nothing_at_the_ceiling(bad: int, answered: int, ceiling: float) -> None:
    bad = min(bad, answered)
    now = float(log_e_ceiling(bad, answered, ceiling))
    up, down = (float(log_e_ceiling(bad + hit, answered + 1, ceiling)) - now for hit in (1, 0))
    assert ceiling * math.exp(up) + (1 - ceiling) * math.exp(down) <= 1 + 1e-6
    assert up <= 0 <= down


@given(better=COUNTS, worse=COUNTS)
def test_the_paired_test_is_symmetric_and_its_harm_is_not(better: int, worse: int) -> None:
    assert float(log_e_differs(better, worse)) == pytest.approx(float(log_e_differs(worse, better)), abs=1e-9)
    sides = [paired_harm(Paired(better, worse)).log_e, paired_harm(Paired(worse, better)).log_e]
    # Each side bets one half of what the two-sided test bets as a whole.
    whole = float(log_e_differs(better, worse))
    assert float(np.logaddexp(sides[0], sides[1])) - math.log(2) == pytest.approx(whole, abs=1e-6)


@settings(max_examples=50)
@given(canary=COUNTS, control=COUNTS, share=SHARES)
def test_the_bounds_of_the_risk_hold_its_estimate(canary: int, control: int, share: float) -> None:
    found = relative_risk([BadEvents(canary, control, share)], 0.05)
    assert found.low <= found.estimate * (1 + 1e-6)
    assert found.estimate <= found.high * (1 + 1e-6)


@given(first=COUNTS, second=COUNTS, share=SHARES)
def test_a_bet_on_a_mismatch_gains_nothing_while_the_split_is_right(first: int, second: int, share: float) -> None:
    shares = (share, 1 - share)
    now = float(log_bayes_factor([first, second], shares))
    gains = [float(log_bayes_factor(after, shares)) - now for after in ([first + 1, second], [first, second + 1])]
    assert sum(p * math.exp(gain) for p, gain in zip(shares, gains, strict=True)) == pytest.approx(1, abs=1e-6)
