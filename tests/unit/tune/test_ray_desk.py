"""The desk at which processes of other machines ask for trials; no Ray runs here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument
from taxiway.train.request import TrainRequest
from taxiway.tune.attempt import Outcome
from taxiway.tune.claim import Ledger, Next
from taxiway.tune.description import Budget, Description, Goal, Search, write_description
from taxiway.tune.ray_cluster.desk import Desk, Reply
from taxiway.tune.ray_cluster.launch import RayPool
from taxiway.tune.ray_cluster.process import Handle
from taxiway.tune.space import Float, Space
from taxiway.tune.trials import Trial, TrialState

optuna = pytest.importorskip("optuna")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of a study of two trials."""
    write_description(
        tmp_path,
        Description(
            request=TrainRequest(job="job.py", epochs=3), space=Space({"x": Float(0, 1)}), goal=Goal("loss", "minimize"),
            budget=Budget(trials=2, max_failed=5), search=Search("random", "none"),
        ),
    )  # fmt: skip
    with contextlib.closing(Desk(str(tmp_path))) as made:
        yield made


def claimed(desk: Desk, name: str) -> Trial:
    trial = desk.claim(name, True)
    assert isinstance(trial, Trial)
    return trial


def test_a_process_that_is_not_ready_claims_nothing(desk: Desk, tmp_path: Path) -> None:
    assert desk.claim("worker 1", False) is Next.TRAIN
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        assert ledger.trials() == []
    assert desk.news().started == {"worker 1"}


def test_trials_are_given_out_told_of_and_handed_in(desk: Desk) -> None:
    first, second = claimed(desk, "worker 1"), claimed(desk, "worker 2")
    assert {first.number, second.number} == {0, 1}
    assert desk.claim("worker 3", True) is Next.WAIT
    assert desk.report("worker 1", 0.5, 1) is Reply.GO_ON
    desk.finish("worker 1", Outcome(0.5))
    desk.finish("worker 2", Outcome(0.25))
    assert desk.claim("worker 1", True) is Next.DONE
    lines = desk.news().lines
    assert [line.partition("  ")[0] for line in lines] == ["1/2", "2/2"]
    assert desk.news().lines == ()


def test_a_process_that_is_gone_leaves_its_trial_to_another(desk: Desk, tmp_path: Path) -> None:
    lost = claimed(desk, "worker 1")
    desk.report("worker 1", 0.5, 1)
    desk.lost("worker 1")
    again = claimed(desk, "worker 2")
    assert again.retry_of == (lost.number,) and again.params == lost.params and again.epochs == {1: 0.5}
    # What the first one still says comes too late.
    assert desk.report("worker 1", 0.1, 2) is Reply.LOST
    desk.finish("worker 1", Outcome(0.1))
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        assert [one.state for one in ledger.trials()] == [TrialState.LOST, TrialState.RUNNING]


def test_an_error_of_the_study_ends_it_for_all(desk: Desk, tmp_path: Path) -> None:
    desk.end("NOT_FOUND", "There is no job.", "Name one.")
    assert desk.claim("worker 1", True) is Next.DONE
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        error = ledger.ended()
    assert error is not None and (error.message, error.hint, error.kind) == (
        "There is no job.",
        "Name one.",
        "NOT_FOUND",
    )


@pytest.mark.parametrize("reply", list(Reply))
def test_a_trial_hears_what_the_desk_says(reply: Reply) -> None:
    asked: list[tuple[object, ...]] = []

    def ask(*what: object) -> Reply:
        asked.append(what)
        return reply

    handle = Handle(ask, "worker 1")
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError) if reply is Reply.LOST else contextlib.nullcontext():
        handle.report(0.5, 1)
    assert asked == [("report", "worker 1", 0.5, 1)]
    assert handle.should_prune() == (reply is Reply.STOP)


def test_a_pool_has_at_least_one_process(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="at least 1"):
        RayPool(tmp_path, 0)
