"""Whole rollouts through the pure parts: judged, decided, followed; and what no decision may ever do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.rollout.decide import Action, Move, Progress, Rule, Stay, decide
from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.evidence.means import Arm
from taxiway.rollout.evidence.paired import Paired
from taxiway.rollout.evidence.ratio import Assigned
from taxiway.rollout.judge import judge
from taxiway.rollout.observations import Exposure, Observations, Tally
from taxiway.rollout.plan import KNOWN_GUARDS, Goal, Guard, RolloutPlan, Undecided
from taxiway.rollout.states import TRANSITIONS, Change, State, follow
from taxiway.rollout.verdict import Finding

PLANS = st.builds(
    RolloutPlan,
    model=st.just("digits"),
    to=st.just(2),
    guards=st.sampled_from([
        (KNOWN_GUARDS["errors"],), (KNOWN_GUARDS["errors"], KNOWN_GUARDS["p95"]),
        (Guard("errors", harm_margin=0.25), KNOWN_GUARDS["accuracy"]),
    ]),
    shadow=st.just(0.1),
    goal=st.sampled_from([None, Goal("clicks"), Goal("clicks", higher_is_better=False)]),
    undecided=st.sampled_from(Undecided),
)  # fmt: skip
BAD = st.fixed_dictionaries({"errors": st.integers(0, 60), "p95": st.integers(0, 90)})
TALLIES = st.builds(Tally, answered=st.integers(100, 20_000), bad=BAD)
ARMS = st.builds(Arm, count=st.integers(0, 5000), mean=st.floats(0, 1), variance=st.floats(0, 0.25))
OBSERVATIONS = st.builds(
    Observations,
    exposures=st.lists(st.builds(Exposure, TALLIES, TALLIES, st.sampled_from([0.5, 0.2])), max_size=2).map(tuple),
    step_units=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    recent=st.builds(Recent, st.integers(0, 20), st.just(20), st.integers(0, 30)),
    assigned=st.lists(
        st.builds(Assigned, st.tuples(st.integers(0, 9000), st.integers(0, 9000)), st.just((0.5, 0.5))), max_size=1
    ).map(tuple),
    paired=st.fixed_dictionaries(
        {"accuracy": st.builds(Paired, st.integers(0, 40), st.integers(0, 40), st.integers(0, 5000))}
    ),
    goal=st.none() | st.tuples(ARMS, ARMS),
    base_rates=st.just({"errors": 0.002}),
)
PROGRESS = st.builds(
    Progress,
    state=st.sampled_from(State),
    step=st.integers(0, 4),
    outcome=st.sampled_from([None, True, False]),
)
NOW = st.floats(0, 10_000)


@settings(max_examples=200, deadline=None)
@given(plan=PLANS, seen=OBSERVATIONS, progress=PROGRESS, now=NOW)
def test_no_decision_goes_on_with_harm_or_skips_a_step(
    plan: RolloutPlan, seen: Observations, progress: Progress, now: float
) -> None:
    judgement = judge(plan, seen)
    action = decide(plan, progress, judgement, now)
    accused = any(verdict.log_e_harm >= -math.log(plan.guard_alpha) for verdict in judgement.verdicts)
    if isinstance(action, Stay):
        on_trial = progress.state in (State.SHADOW, State.CANARY, State.PAUSED)
        assert not (on_trial and (accused or judgement.braked))
        return
    assert (progress.state, action.change) in TRANSITIONS
    if progress.state not in (State.CANARY, State.SHADOW):
        return
    forward = action.change in (Change.STEP, Change.PROMOTE, Change.TO_CANARY)
    uneven = judgement.split_uneven or judgement.labels_uneven
    suspected = any(verdict.log_e_harm >= math.log(10) for verdict in judgement.verdicts)
    if forward:
        assert not (accused or suspected or uneven or judgement.braked)
        assert min(seen.step_units) >= plan.step_units and now >= plan.step_seconds
    if action.change is Change.STEP:
        assert action.step == progress.step + 1 < len(plan.steps)
    if action.change is Change.PROMOTE:
        assert progress.step == len(plan.steps) - 1
        proven = all(verdict.finding is Finding.SAFE for verdict in judgement.verdicts)
        assert proven or (plan.undecided is Undecided.SHIP and now > plan.max_seconds)
    if uneven and not (accused or judgement.braked):
        assert action.change is Change.PAUSE or action.rule is Rule.GOAL_WORSE


@dataclass(frozen=True)
class End:
    """How a rollout ended, and at what cost."""

    state: State
    requests: int
    bad: int
    steps: tuple[int, ...]


def rollout(plan: RolloutPlan, rates: tuple[float, float], look: int, seed: int) -> End:
    """A rollout with rates of (control, canary) and ``look`` requests an arm each minute, to its end."""
    rng = np.random.default_rng(seed)
    progress = Progress(State.CANARY, 0)
    control, canary, answered, units, now = 0, 0, 0, 0, 0.0
    steps = [0]
    while progress.state is State.CANARY and now < plan.max_seconds:
        recent = rng.random(look) < rates[1]
        canary, control = canary + int(recent.sum()), control + int(rng.binomial(look, rates[0]))
        answered, units, now = answered + look, units + look, now + 60
        last = recent[-20:]
        seen = Observations(
            exposures=(Exposure(Tally(answered, {"errors": canary}), Tally(answered, {"errors": control})),),
            step_units=(units, units),
            recent=Recent(int(last.sum()), len(last), canary),
        )
        action: Action = decide(plan, progress, judge(plan, seen), now)
        if isinstance(action, Move):
            state = follow(progress.state, action.change)
            progress = Progress(state, progress.step if action.step is None else action.step, 0.0, now)
            units = 0
            steps += [progress.step] if action.change is Change.STEP else []
    return End(progress.state, 2 * answered, canary, tuple(steps))


def rollouts(plan: RolloutPlan, rates: tuple[float, float], look: int, count: int) -> Iterator[End]:
    return (rollout(plan, rates, look, seed) for seed in range(count))


PLAN = RolloutPlan("digits", 2, guards=(Guard("errors"),), step_seconds=60, max_seconds=3600)


def test_two_hundred_equal_versions_go_live_and_hardly_one_goes_back() -> None:
    ends = list(rollouts(replace(PLAN, max_seconds=1200), (0.01, 0.01), look=700, count=200))
    gone_back = sum(end.state is State.ROLLING_BACK for end in ends)
    # Asked for: two in two hundred at most, in expectation. More than six come once in two hundred times then.
    assert gone_back <= 6
    assert sum(end.state is State.PROMOTING for end in ends) >= 180
    assert {end.steps for end in ends if end.state is State.PROMOTING} == {(0, 1, 2, 3, 4)}


def test_a_version_that_fails_five_times_as_often_goes_back_at_about_nine_hundred() -> None:
    ends = list(rollouts(PLAN, (0.01, 0.05), look=50, count=60))
    assert {end.state for end in ends} == {State.ROLLING_BACK}
    assert 700 <= float(np.median([end.requests for end in ends])) <= 1100
    assert float(np.median([end.bad for end in ends])) <= 30


def test_a_version_that_always_fails_is_braked_at_the_first_look() -> None:
    assert all(end.requests == 40 for end in rollouts(PLAN, (0.0, 1.0), look=20, count=3))
