"""Claiming trials: exactly as many as asked for, lost ones begun again, the same points from the same seed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError
from taxiway.train.request import TrainRequest
from taxiway.tune.attempt import Outcome, Watch
from taxiway.tune.claim import Claim, Ledger, Next, decide, too_many_failed
from taxiway.tune.description import Budget, Description, Goal, Search, write_description
from taxiway.tune.space import Choice, Float, Int, Space
from taxiway.tune.trials import MAX_RETRIES, Trial, TrialState, best_of, failed, to_retry
from tests.waiting import PATIENCE_SECONDS

SPACE = Space({"x": Float(-5, 5), "n": Int(1, 8), "kind": Choice(["a", "b"])})
GRID = Space({"n": Int(1, 3), "kind": Choice(["a", "b"])})


def described(trials: int = 6, space: Space = SPACE, **changes: Any) -> Description:
    return Description(
        request=TrainRequest(job="job.py", seed=5, epochs=9),
        space=space,
        goal=Goal("loss", "minimize"),
        budget=Budget(trials=trials, max_failed=changes.pop("max_failed", 5)),
        search=Search(changes.pop("algorithm", "tpe"), changes.pop("early_stopping", "none")),
        **changes,
    )


def trial(number: int, state: TrialState, **more: Any) -> Trial:
    return Trial(number=number, state=state, **more)


@contextlib.contextmanager
def opened(directory: Path, description: Description, until: float | None = None) -> Iterator[Ledger]:
    pytest.importorskip("optuna")
    write_description(directory, description)
    with contextlib.closing(Ledger(directory, until)) as ledger:
        yield ledger


def claimed(ledger: Ledger, worker: str = "me") -> Claim:
    claim = ledger.claim(worker)
    assert isinstance(claim, Claim)
    return claim


def worth(params: Any) -> float:
    return float(params.get("x", 0) ** 2 + params["n"] + (params["kind"] == "b"))


def all_of(ledger: Ledger) -> list[dict[str, Any]]:
    while isinstance(claim := ledger.claim("me"), Claim):
        ledger.finish(claim, value=worth(claim.trial.params))
    return [dict(one.params) for one in ledger.trials()]


R, C, S, F, L, W = (
    TrialState.RUNNING, TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED, TrialState.LOST, TrialState.WAITING,
)  # fmt: skip


@pytest.mark.parametrize(
    ("states", "points_left", "wanted"),
    [
        ((), True, Next.TRAIN),
        ((C, R), True, Next.TRAIN),
        ((C, C, R), True, Next.WAIT),  # the running one may be lost
        ((C, S, C), True, Next.DONE),
        ((C, F, F, R), True, Next.TRAIN),  # failed ones do not count
        ((C, L, W), False, Next.TRAIN),  # a lost one is begun again although no new one may be
        ((C, R), False, Next.WAIT),
        ((C,), False, Next.DONE),
    ],
)
def test_what_a_process_does_next(states: tuple[TrialState, ...], points_left: bool, wanted: Next) -> None:
    trials = [trial(number, state) for number, state in enumerate(states)]
    assert decide(trials, described(trials=3), points_left) is wanted


def test_a_lost_trial_is_begun_again_once_and_not_for_ever() -> None:
    lost = trial(0, L)
    assert to_retry([lost]) == [lost]
    again = trial(1, R, retry_of=(0,))
    assert to_retry([lost, again]) == []
    last = trial(9, L, retry_of=tuple(range(MAX_RETRIES)))
    assert to_retry([last]) == [] and failed([last]) == 1 and failed([lost]) == 0


def test_too_many_failures_end_a_study_with_the_last_error() -> None:
    trials = [trial(0, F, error="ValueError: no"), trial(1, F, error="ValueError: never")]
    assert too_many_failed(trials, described(max_failed=2)) is None
    error = too_many_failed(trials, described(max_failed=1))
    assert error is not None and error.message == "2 trials failed; 1 may. Trial 1: ValueError: never"
    assert too_many_failed(trials, described(max_failed=1), forgiven=1) is None


def test_the_best_of_equals_is_the_earlier_one() -> None:
    trials = [trial(0, C, value=2.0), trial(1, C, value=1.0), trial(2, C, value=1.0), trial(3, S, value=0.0)]
    best = best_of(trials, Goal("loss", "minimize"))
    assert best is not None and best.number == 1
    assert best_of([], Goal("loss", "maximize")) is None


def test_several_processes_finish_exactly_the_trials_asked_for(tmp_path: Path) -> None:
    # A thread that has to wait for long between two heartbeats is not taken for lost.
    with opened(tmp_path, described(trials=6, heartbeat_seconds=PATIENCE_SECONDS)):
        pass

    def one_process(name: str) -> None:
        with contextlib.closing(Ledger(tmp_path)) as ledger:
            while (claim := ledger.claim(name)) is not Next.DONE:
                if isinstance(claim, Claim):
                    ledger.finish(claim, value=worth(claim.trial.params))

    threads = [threading.Thread(target=one_process, args=(f"process {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        assert [one.state for one in ledger.trials()] == [C] * 6


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials_also_over_a_resume(algorithm: str, tmp_path: Path) -> None:
    # The first ten of TPE are drawn at random.
    trials = 13 if algorithm == "tpe" else 4
    description = described(trials=trials, algorithm=algorithm)
    with opened(tmp_path / "one", description) as ledger:
        whole = all_of(ledger)
    with opened(tmp_path / "two", description) as ledger:
        for _ in range(trials - 1):
            claim = claimed(ledger)
            ledger.finish(claim, value=worth(claim.trial.params))
    with opened(tmp_path / "two", description) as ledger:
        assert all_of(ledger) == whole
    other = replace(description, request=TrainRequest(job="job.py", seed=6), budget=Budget(trials=1))
    with opened(tmp_path / "three", other) as ledger:
        assert all_of(ledger) != whole[:1]


def test_a_grid_is_every_point_in_order_and_then_done(tmp_path: Path) -> None:
    with opened(tmp_path, described(trials=50, space=GRID, algorithm="grid")) as ledger:
        assert all_of(ledger) == list(GRID.grid())


def test_a_small_budget_takes_different_points_of_a_grid(tmp_path: Path) -> None:
    with opened(tmp_path, described(trials=3, space=GRID, algorithm="grid", max_failed=0)) as ledger:
        found = all_of(ledger)
    assert len({tuple(one.items()) for one in found}) == 3 and all(one in list(GRID.grid()) for one in found)


def test_a_failed_point_of_a_grid_is_not_tried_again(tmp_path: Path) -> None:
    with opened(tmp_path, described(trials=50, space=GRID, algorithm="grid")) as ledger:
        ledger.finish(claimed(ledger), value=None, error="ValueError: no")
        assert all_of(ledger) == list(GRID.grid())
        assert [one.state for one in ledger.trials()] == [F, *[C] * 5]


def test_a_trial_without_heartbeats_is_lost_and_begun_again(tmp_path: Path) -> None:
    from datetime import datetime, timedelta, timezone

    import sqlalchemy

    with opened(tmp_path, described(trials=2, heartbeat_seconds=1)) as ledger:
        first = claimed(ledger, "gone")
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'study.db'}")
        with engine.begin() as connection:
            long_ago = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(hours=1)
            connection.execute(sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = :t"), {"t": long_ago})
        engine.dispose()
        again = claimed(ledger, "another")
        assert again.trial.retry_of == (0,) and again.trial.params == first.trial.params
        # The first one was only slow: what it says now is not heard.
        assert not ledger.finish(first, value=1.0)
        assert ledger.finish(again, value=2.0)
        assert [one.state for one in ledger.trials()] == [L, C]


def test_a_trial_that_died_before_its_first_heartbeat_is_begun_again(tmp_path: Path) -> None:
    from taxiway.tune.storage import distributions, quiet

    with opened(tmp_path, described(trials=1)) as ledger:
        with quiet():
            ledger.study.ask(distributions(SPACE))
        assert claimed(ledger).trial.retry_of == (0,)


def test_a_heartbeat_keeps_a_slow_trial(tmp_path: Path) -> None:
    with opened(tmp_path, described(heartbeat_seconds=1)) as ledger:
        claim, beaten = claimed(ledger), threading.Event()
        mark = ledger._store.record_heartbeat

        def counted(trial_id: int) -> None:
            mark(trial_id)
            beaten.set()

        ledger._store.record_heartbeat = counted  # type: ignore[method-assign]
        with ledger.alive(claim):
            assert beaten.wait(PATIENCE_SECONDS)
        assert ledger.finish(claim, value=1.0)


def watched(ledger: Ledger) -> tuple[Claim, Watch]:
    claim = claimed(ledger)
    return claim, Watch(ledger.description, claim.trial, claim.handle)


def test_a_trial_that_is_worse_than_the_median_is_stopped_after_its_second_epoch(tmp_path: Path) -> None:
    with opened(tmp_path, described(trials=8, early_stopping="median")) as ledger:
        for value in range(5):
            claim, watch = watched(ledger)
            assert not any(watch.epoch(epoch, {"loss": value}) for epoch in (1, 2, 3))
            ledger.finish(claim, value=value)
        _, good = watched(ledger)
        assert not any(good.epoch(epoch, {"loss": 1.0}) for epoch in (1, 2, 3))
        assert good.outcome({"loss": 1.0}) == Outcome(1.0)
        _, bad = watched(ledger)
        assert not bad.epoch(1, {"loss": 9.0})
        assert bad.epoch(2, {"loss": 9.0})
        assert bad.outcome({"loss": 9.0}) == Outcome(9.0, stopped=True)


@pytest.mark.parametrize("early_stopping", ["none", "hyperband"])
def test_the_other_ways_of_early_stopping(early_stopping: str, tmp_path: Path) -> None:
    stopped = 0
    with opened(tmp_path, described(trials=9, early_stopping=early_stopping)) as ledger:
        for value in range(9):
            claim, watch = watched(ledger)
            ends = any(watch.epoch(epoch, {"loss": float(value)}) for epoch in range(1, 10))
            ledger.finish(claim, value=value, stopped=ends)
            stopped += ends
    assert (stopped > 0) == (early_stopping == "hyperband")


def test_a_trial_that_was_taken_for_lost_stops(tmp_path: Path) -> None:
    with opened(tmp_path, described()) as ledger:
        _, watch = watched(ledger)
        ledger.release()
        assert watch.epoch(1, {"loss": 1.0})


def test_an_ended_study_is_ended_for_all_until_it_is_opened_again(tmp_path: Path) -> None:
    with opened(tmp_path, described(trials=2, max_failed=0)) as ledger:
        ledger.finish(claimed(ledger), value=None, error="ValueError: no")
        with pytest.raises(FailedPrecondition, match="1 trials failed; 0 may. Trial 0: ValueError: no"):
            ledger.claim("me")
    with contextlib.closing(Ledger(tmp_path)) as other:
        with pytest.raises(TaxiwayError, match="1 trials failed") as caught:
            other.claim("other")
        assert caught.value.kind == "FAILED_PRECONDITION" and caught.value.hint
        other.reopen()
        all_of(other)
        assert [one.state for one in other.trials()] == [F, C, C]


def test_no_new_trial_begins_after_the_time_is_up(tmp_path: Path) -> None:
    with opened(tmp_path, described(), until=0.0) as ledger:
        assert ledger.claim("me") is Next.DONE


def test_another_description_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    write_description(tmp_path, described())
    write_description(tmp_path, described())
    with pytest.raises(InvalidArgument, match="asked for something else: space, budget"):
        write_description(tmp_path, described(trials=7, space=GRID))
