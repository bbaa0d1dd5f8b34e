"""Bad events: is the new version worse than the one beside it, and is it proven not to be worse than allowed?

Two arms get traffic at the same time, the canary a share ρ of theirs. While the canary has at most r times the
control's rate of bad events, each bad event that happens is the canary's with chance at most

    p₀ = ρr / (ρr + 1 − ρ)

whatever the rate itself is doing, so it may swing with the hour. That is a coin (:mod:`.mixture`), and no count of
requests is needed. The harm test takes the prior Beta(κp₀, κ(1−p₀)) above p₀; the mirror, which proves the absence of
harm, takes Beta(κ/2, κ/2) below it; κ = 10.

When the share changes, the counts under each share are a test of their own and the wealths are multiplied: the
product still gains nothing in expectation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from taxiway.rollout.evidence.evalue import EValue, Interval
from taxiway.rollout.evidence.mixture import Floats, log_above, log_below, log_either

__all__ = [
    "BadEvents",
    "by_share",
    "chance_of_canary",
    "harm",
    "log_e_ceiling",
    "log_e_harm",
    "log_e_no_harm",
    "no_harm",
    "no_harm_below",
    "relative_risk",
]

CONCENTRATION = 10.0
# The search for a bound on the relative risk ends here: e^30, ten trillion.
_LOG_RISK_END = 30.0
# Half the mass within the lowest quarter: a version that never fails is the usual case.
_CEILING_PRIOR = (0.5, 0.5)


@dataclass(frozen=True)
class BadEvents:
    """Bad events of the two arms while the canary had ``share`` of their joint exposure; fractions in a projection."""

    canary: float
    control: float
    share: float = 0.5


def chance_of_canary(ratio: float, share: float = 0.5) -> float:
    """p₀: the chance that a bad event is the canary's when its rate is ``ratio`` times the control's."""
    return share * ratio / (share * ratio + 1 - share)


def log_e_harm(canary: ArrayLike, control: ArrayLike, margin: float = 0.0, share: float = 0.5) -> Floats:
    """The logarithm of E against "the canary's rate is at most 1 + ``margin`` times the control's"; broadcasts."""
    p0 = chance_of_canary(1 + margin, share)
    prior = (CONCENTRATION * p0, CONCENTRATION * (1 - p0))
    return log_above(canary, np.add(canary, control), p0, prior)


def log_e_no_harm(canary: ArrayLike, control: ArrayLike, ratio: float, share: float = 0.5) -> Floats:
    """The logarithm of E against "the canary's rate is at least ``ratio`` times the control's"; broadcasts."""
    prior = (CONCENTRATION / 2, CONCENTRATION / 2)
    return log_below(canary, np.add(canary, control), chance_of_canary(ratio, share), prior)


def log_e_ceiling(bad: ArrayLike, answered: ArrayLike, ceiling: float) -> Floats:
    """The logarithm of E against "at least ``ceiling`` of the canary's answers are bad"; broadcasts."""
    return log_below(bad, answered, ceiling, _CEILING_PRIOR)


def harm(events: Iterable[BadEvents], margin: float = 0.0) -> EValue:
    """Evidence that the canary has more than 1 + ``margin`` times the control's rate of bad events."""
    return _product(events, lambda each: float(log_e_harm(each.canary, each.control, margin, each.share)))


def no_harm(events: Iterable[BadEvents], ratio: float) -> EValue:
    """Evidence that the canary has less than ``ratio`` times the control's rate of bad events."""
    return _product(events, lambda each: float(log_e_no_harm(each.canary, each.control, ratio, each.share)))


def no_harm_below(bad: float, answered: float, ceiling: float) -> EValue:
    """Evidence that less than ``ceiling`` of the canary's answers are bad.

    Where next to nothing ever fails there is nothing to compare, and :func:`no_harm` would wait for ever; this needs
    no bad event. It holds at all times when the chance of a bad answer stays on one side of the ceiling.
    """
    return EValue(float(log_e_ceiling(bad, answered, ceiling)))


def relative_risk(events: Iterable[BadEvents], alpha: float) -> Interval:
    """The canary's rate over the control's, with bounds that all hold at all times with chance 1 − ``alpha``.

    The ratios that the two-sided test (prior Beta(κ/2, κ/2)) does not reject. They form an interval, since the
    likelihood is log-concave in the logarithm of the ratio. Without any bad event: 1, between 0 and infinity.
    """
    groups = by_share(events)
    canary, control = sum(each.canary for each in groups), sum(each.control for each in groups)
    if canary + control == 0:
        return Interval(1.0, 0.0, math.inf)
    top = _most_likely_log_risk(groups)
    log_e, limit = _evidence_against(groups), -math.log(alpha)
    low = 0.0 if canary == 0 else math.exp(_crossing(log_e, top, -_LOG_RISK_END, limit))
    high = math.inf if control == 0 else math.exp(_crossing(log_e, top, _LOG_RISK_END, limit))
    estimate = 0.0 if canary == 0 else math.inf if control == 0 else math.exp(top)
    return Interval(estimate, low, high)


def _product(events: Iterable[BadEvents], factor: Callable[[BadEvents], float]) -> EValue:
    return EValue(sum(factor(each) for each in by_share(events)))


def by_share(events: Iterable[BadEvents]) -> list[BadEvents]:
    """One entry a share: events under the same share toss the same coin, whenever they happened."""
    totals: dict[float, tuple[float, float]] = {}
    for each in events:
        canary, control = totals.get(each.share, (0, 0))
        totals[each.share] = (canary + each.canary, control + each.control)
    return [BadEvents(canary, control, share) for share, (canary, control) in totals.items()]


def _evidence_against(groups: list[BadEvents]) -> Callable[[float], float]:
    """The logarithm of E of the two-sided test as a function of the ratio's logarithm."""
    # Asked for at one half, where what depends on the ratio is n ln 2, the test gives the part that does not.
    prior = (CONCENTRATION / 2, CONCENTRATION / 2)
    constant = sum(
        float(log_either(g.canary, g.canary + g.control, 0.5, prior)) - (g.canary + g.control) * math.log(2)
        for g in groups
    )

    def log_e(log_risk: float) -> float:
        odds = [math.exp(log_risk) * g.share / (1 - g.share) for g in groups]
        return constant + sum(
            g.canary * math.log1p(1 / odd) + g.control * math.log1p(odd) for g, odd in zip(groups, odds, strict=True)
        )

    return log_e


def _most_likely_log_risk(groups: list[BadEvents]) -> float:
    """Where the likelihood's slope, Σ (canary − tosses · p₀), is zero; it falls throughout."""

    def slope(log_risk: float) -> float:
        risk = math.exp(log_risk)
        return sum(g.canary - (g.canary + g.control) * chance_of_canary(risk, g.share) for g in groups)

    return _bisect(slope, -_LOG_RISK_END, _LOG_RISK_END)


def _crossing(log_e: Callable[[float], float], inside: float, outside: float, limit: float) -> float:
    """The ratio's logarithm between ``inside`` and ``outside`` at which the evidence against it reaches ``limit``."""
    if log_e(outside) < limit:
        return outside
    return _bisect(lambda log_risk: limit - log_e(log_risk), inside, outside)


def _bisect(falling: Callable[[float], float], positive: float, negative: float) -> float:
    """The zero between two arguments, to 1e-9 and better."""
    for _ in range(60):
        middle = (positive + negative) / 2
        if falling(middle) > 0:
            positive = middle
        else:
            negative = middle
    return (positive + negative) / 2
