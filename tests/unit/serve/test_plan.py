"""The plan, as tables and as properties."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.journal import ModelState, Pin
from taxiway.serve.lifecycle import Record, State
from taxiway.serve.plan import (
    Action,
    Found,
    Load,
    Unload,
    View,
    Withdraw,
    choose_default,
    keep_after_swap,
    plan,
    wanted,
)
from taxiway.settings.table import LATEST, Policy

ALL = Policy(latest=None)
UP, LOADING, ENDED = State.AVAILABLE, State.LOADING, State.END
FAILED = ("INTERNAL", "no")


def found(*versions: int, waiting: tuple[int, ...] = ()) -> list[Found]:
    return [Found(v, f"/m/{v}", "copying" if v in waiting else "") for v in sorted({*versions, *waiting})]


def records(**states: State) -> dict[int, Record]:
    return {int(name[1:]): Record(int(name[1:]), f"/m/{name[1:]}", state) for name, state in states.items()}


def failing(version: int, retry_at: float = 9.0, gave_up: bool = False) -> dict[int, Record]:
    state = State.END if gave_up else State.START
    return {version: Record(version, f"/m/{version}", state, attempts=1, retry_at=retry_at, error=FAILED)}


def load(version: int) -> Load:
    return Load(version, f"/m/{version}")


@pytest.mark.parametrize(
    ("why", "view", "actions"),
    [
        ("the newest is loaded", View(LATEST, found(1, 2), {}), [load(2)]),
        ("two newest, when two are wanted", View(Policy(2), found(1, 2, 3), {}), [load(3), load(2)]),
        ("all", View(ALL, found(1, 2), {}), [load(2), load(1)]),
        ("those that are named and there", View(Policy(None, (1, 9)), found(1, 2), {}), [load(1)]),
        ("none, when none is named", View(Policy(None, ()), found(1), {}), []),
        ("a half-copied one is waited for", View(LATEST, found(1, waiting=(2,)), {}), [load(1)]),
        ("a loading one is not loaded again", View(LATEST, found(1), records(v1=LOADING)), []),
        ("the old one stays while the new one loads", View(LATEST, found(1, 2), records(v1=UP, v2=LOADING)), []),
        ("and goes when it serves", View(LATEST, found(1, 2), records(v1=UP, v2=UP), default=2), [Unload(1)]),
        (
            "the old ones of two stay while one of the new ones loads",
            View(Policy(2), found(2, 3), records(v1=UP, v2=UP, v3=LOADING)),
            [],
        ),
        (
            "it is kept for a while when it answered before",
            View(LATEST, found(1, 2), records(v1=UP, v2=UP), default=2, kept={1: 6.0}),
            [],
        ),
        (
            "but not longer",
            View(LATEST, found(1, 2), records(v1=UP, v2=UP), default=2, kept={1: 5.0}),
            [Unload(1)],
        ),
        (
            "nor when it is gone from the disk",
            View(LATEST, found(2), records(v1=UP, v2=UP), default=2, kept={1: 6.0}),
            [Unload(1)],
        ),
        ("all gone: unloaded", View(LATEST, [], records(v1=UP), default=1), [Unload(1)]),
        ("all gone, but one is being copied", View(LATEST, found(waiting=(2,)), records(v1=UP), default=1), []),
        ("touching the files of one that serves", View(LATEST, found(waiting=(1,)), records(v1=UP), default=1), []),
        ("a failed one is tried when its time comes", View(LATEST, found(1), failing(1, 5.0)), [load(1)]),
        ("and not before", View(LATEST, found(1), failing(1, 5.1)), []),
        ("meanwhile the next older one is loaded", View(LATEST, found(1, 2), failing(2)), [load(1)]),
        ("also when it was given up", View(LATEST, found(1, 2), failing(2, gave_up=True)), [load(1)]),
        (
            "a given-up one leaves the old one serving",
            View(LATEST, found(1, 2), {**records(v1=UP), **failing(2, gave_up=True)}, default=1),
            [],
        ),
        ("a failing one that is gone is withdrawn", View(LATEST, [], failing(1)), [Withdraw(1)]),
        ("a given-up one that is gone may come again", View(LATEST, [], failing(1, gave_up=True)), [Withdraw(1)]),
        (
            "and then is tried again",
            View(LATEST, found(1), {1: dataclasses.replace(failing(1, gave_up=True)[1], dropped=True)}),
            [load(1)],
        ),
        ("held ones are not loaded", View(LATEST, found(1, 2), {}, ModelState(frozenset({2}))), [load(1)]),
        (
            "holding the only one makes no outage",
            View(LATEST, found(1), records(v1=UP), ModelState(frozenset({1})), default=1),
            [],
        ),
        (
            "a rollback loads its target, and at once, and leaves the rest",
            View(LATEST, found(1, 2, 3), records(v3=UP), ModelState(frozenset({3}), Pin(1, 3)), default=3),
            [Load(1, "/m/1", urgent=True)],
        ),
        (
            "a version newer than the rollback is loaded, its target stays",
            View(LATEST, found(1, 3, 4), records(v1=UP), ModelState(frozenset({3}), Pin(1, 3)), default=1),
            [load(4)],
        ),
    ],
)
def test_plan(why: str, view: View, actions: list[Action]) -> None:
    assert plan(view, now=5.0) == actions, why


@pytest.mark.parametrize(
    ("why", "view", "default"),
    [
        ("the newest wanted one that serves", View(ALL, found(1, 2), records(v1=UP, v2=UP)), 2),
        ("not one that loads", View(ALL, found(1, 2), records(v1=UP, v2=LOADING), default=1), 1),
        ("nobody", View(ALL, found(1), records(v1=LOADING)), None),
        ("an unwanted one before nobody", View(Policy(None, (2,)), found(1, 2), records(v1=UP), default=1), 1),
        ("a held one before nobody", View(LATEST, found(1), records(v1=UP), ModelState(frozenset({1}))), 1),
        (
            "the one put back",
            View(LATEST, found(1, 2), records(v1=UP, v2=UP), ModelState(frozenset({2}), Pin(1, 2)), default=2),
            1,
        ),
        (
            "the one before, while the one put back loads",
            View(LATEST, found(1, 2), records(v1=LOADING, v2=UP), ModelState(frozenset({2}), Pin(1, 2)), default=2),
            2,
        ),
        (
            "a newer one than the rollback went back from",
            View(LATEST, found(1, 2, 3), records(v1=UP, v3=UP), ModelState(frozenset({2}), Pin(1, 2)), default=1),
            3,
        ),
    ],
)
def test_who_answers(why: str, view: View, default: int | None) -> None:
    assert choose_default(view) == default, why


@pytest.mark.parametrize(
    ("kept", "old", "new", "count", "after"),
    [
        ({}, 1, 2, 1, {1: 9.0}),
        ({1: 5.0}, 2, 3, 1, {2: 9.0}),
        ({1: 5.0}, 2, 3, 2, {1: 5.0, 2: 9.0}),
        ({1: 5.0}, 2, 1, 1, {2: 9.0}),
        ({}, None, 1, 1, {}),
        ({}, 1, None, 1, {}),
        ({}, 1, 2, 0, {}),
    ],
)
def test_what_is_kept(
    kept: Mapping[int, float], old: int | None, new: int | None, count: int, after: dict[int, float]
) -> None:
    assert keep_after_swap(kept, old, new, 9.0, count) == after


# A world small enough to be searched well: six versions in any state.
VERSIONS = st.integers(1, 6)
POLICIES = st.one_of(
    st.builds(Policy, st.integers(1, 3)), st.just(ALL), st.builds(Policy, st.none(), st.tuples(VERSIONS, VERSIONS))
)
# A rollback notes the newest version that was there, so a pin is never above what it holds back.
PINS = st.builds(Pin, VERSIONS, st.integers(1, 6)).filter(lambda pin: pin.version <= pin.above)
STATES = st.builds(ModelState, st.frozensets(VERSIONS, max_size=3), st.none() | PINS)


@st.composite
def views(draw: st.DrawFn) -> View:
    there = draw(st.sets(VERSIONS))
    waiting = draw(st.sets(st.sampled_from(sorted(there)))) if there else set()
    known = {}
    for version in draw(st.sets(VERSIONS)):
        state = draw(st.sampled_from(list(State)))
        error = FAILED if state is State.START else draw(st.sampled_from([None, FAILED])) if state is ENDED else None
        known[version] = Record(version, "/m", state, error=error, retry_at=draw(st.sampled_from([0.0, 9.0])))
    kept = draw(st.dictionaries(VERSIONS, st.sampled_from([1.0, 9.0]), max_size=2))
    view = View(draw(POLICIES), found(*there, waiting=tuple(waiting)), known, draw(STATES), None, kept)
    return dataclasses.replace(view, default=choose_default(view))


def after(view: View, actions: list[Action], fails: frozenset[int] = frozenset()) -> View:
    """The world when every action has been carried out; loads of ``fails`` fail for good."""
    changed = dict(view.records)
    for action in actions:
        match action:
            case Load(version, path) if version in fails:
                changed[version] = Record(version, path, State.END, error=FAILED)
            case Load(version, path):
                changed[version] = Record(version, path, State.AVAILABLE)
            case Unload(version):
                changed[version] = dataclasses.replace(changed[version], state=State.END)
            case Withdraw(version):
                changed[version] = dataclasses.replace(changed[version], state=State.END, dropped=True)
    for version, record in changed.items():  # what was under way in the beginning ends too
        ends = {State.LOADING: State.AVAILABLE, State.UNLOADING: State.END}
        changed[version] = dataclasses.replace(record, state=ends.get(record.state, record.state))
    world = dataclasses.replace(view, records=changed)
    return dataclasses.replace(world, default=choose_default(world))


def serving(view: View) -> set[int]:
    return {version for version, record in view.records.items() if record.state is UP}


@settings(max_examples=200, deadline=None)
@given(views())
def test_nothing_leaves_while_what_replaces_it_is_on_its_way(view: View) -> None:
    actions = plan(view, 5.0)
    coming = {action.version for action in actions if isinstance(action, Load)}
    first_attempts = {v for v in coming if view.records.get(v) is None or view.records[v].error is None}
    under_way = {v for v, record in view.records.items() if record.state is LOADING} & wanted(view)
    if first_attempts or under_way:
        assert not [action for action in actions if isinstance(action, Unload)]


@settings(max_examples=200, deadline=None)
@given(views())
def test_what_answers_is_never_unloaded_unless_nothing_is_wanted(view: View) -> None:
    leaving = {action.version for action in plan(view, 5.0) if isinstance(action, Unload)}
    assert leaving <= serving(view)
    if wanted(view):
        assert view.default not in leaving


@settings(max_examples=200, deadline=None)
@given(views())
def test_actions_are_about_what_is_there(view: View) -> None:
    actions = plan(view, 5.0)
    assert len({action.version for action in actions}) == len(actions)
    assert {action.version for action in actions if isinstance(action, Load)} <= {f.version for f in view.found}
    for action in actions:
        if isinstance(action, Load):
            record = view.records.get(action.version)
            assert record is None or record.state in (State.START, State.END)
            assert action.version not in view.state.held


@settings(max_examples=200, deadline=None)
@given(views(), st.frozensets(VERSIONS, max_size=3))
def test_it_comes_to_rest_with_what_is_wanted(view: View, fails: frozenset[int]) -> None:
    for _ in range(20):
        actions = plan(view, 100.0)
        if not actions and not any(r.state in (LOADING, State.UNLOADING) for r in view.records.values()):
            break
        view = after(view, actions, fails)
    else:
        pytest.fail(f"still busy: {actions}")
    want = wanted(view)
    assert want - serving(view) <= {v for v, record in view.records.items() if record.error is not None}
    if want & serving(view):
        assert serving(view) - want <= {view.default}
