"""Which trial a process trains next. One process asks at a time, so that a study has exactly the trials it should.

What to do is decided by :func:`decide`, from the trials alone; :class:`Ledger` asks Optuna and does it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import FailedPrecondition, TaxiwayError, error_of_kind
from taxiway.tune import storage
from taxiway.tune.description import Description, read_description
from taxiway.tune.trials import Trial, TrialState, failed, finished, to_retry

if TYPE_CHECKING:
    import optuna

__all__ = ["Claim", "Ledger", "Next", "decide"]

_LOCK_FILE = "claim.lock"
_ENDED, _FORGIVEN = "ended", "forgiven_failures"


class Next(Enum):
    """What a process that asks for a trial does."""

    TRAIN = "train"
    WAIT = "wait"  # for trials that others train, in case they are lost
    DONE = "done"


def decide(trials: Sequence[Trial], description: Description, points_left: bool) -> Next:
    """What follows from the trials.

    Args:
        trials: all of the study.
        description: of the study.
        points_left: whether a new point can be chosen: a grid has an end, and so has the time.
    """
    running = sum(one.state is TrialState.RUNNING for one in trials)
    waiting = any(one.state is TrialState.WAITING for one in trials)
    if finished(trials) + running < description.trials and (waiting or points_left):
        return Next.TRAIN
    return Next.WAIT if running and finished(trials) < description.trials else Next.DONE


def too_many_failed(trials: Sequence[Trial], description: Description, forgiven: int = 0) -> TaxiwayError | None:
    """The error that ends a study in which too many trials failed, ``forgiven`` not counted; None otherwise."""
    count = failed(trials) - forgiven
    if count <= description.budget.max_failed:
        return None
    last = next((one for one in reversed(trials) if one.state is TrialState.FAILED), None)
    said = f" Trial {last.number}: {last.error}" if last is not None else " Their processes died."
    return FailedPrecondition(
        f"{count} trials failed; {description.budget.max_failed} may.{said}",
        hint="taxiway tune show STUDY lists them; each has a run with its error in trials/.",
    )


@dataclass(frozen=True)
class Claim:
    """A trial that this process trains: Optuna's handle, the number of its row, and the trial as it was claimed."""

    handle: optuna.Trial
    row: int
    trial: Trial


class Ledger:
    """A study as the processes that work on it see it.

    Args:
        directory: the study's.
        until: no new point is chosen after this moment of :func:`time.time`; None for no end.
    """

    def __init__(self, directory: Path, until: float | None = None) -> None:
        self.directory = directory
        self.description = read_description(directory)
        self._store = storage.store(directory, self.description)
        self.study = storage.study(self._store, self.description)
        self._study_id = self._store.get_study_id_from_name(self.study.study_name)
        self._until = until

    def close(self) -> None:
        """Let go of the database."""
        self._store.remove_session()
        self._store.engine.dispose()

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return storage.trials_of(self.study, self.description.space)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While no other process claims or finishes a trial."""
        descriptor = os.open(self.directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def claim(self, worker: str) -> Claim | Next:
        """A trial for this process, or what it does instead.

        Raises:
            TaxiwayError: the study has ended in an error.
        """
        with self.locked():
            step, trials, point = self._next()
            return self._ask(trials, point or {}, worker) if step is Next.TRAIN else step

    def look(self) -> Next:
        """What :meth:`claim` would do, without claiming anything."""
        with self.locked():
            return self._next()[0]

    def _next(self) -> tuple[Next, list[Trial], dict[str, Any] | None]:
        if (ended := self.ended()) is not None:
            raise ended
        trials = self._recovered()
        if error := too_many_failed(trials, self.description, self.study.user_attrs.get(_FORGIVEN, 0)):
            self._end(error)
            raise error
        point = self._new_point(trials)
        return decide(trials, self.description, point is not None), trials, point

    def finish(self, claim: Claim, *, value: float | None, stopped: bool = False, error: str | None = None) -> bool:
        """Note down how a trial ended.

        Args:
            claim: which.
            value: the goal's metric.
            stopped: whether it was stopped early.
            error: why it failed.

        Returns:
            Whether it was still this process's: not when it had been taken for lost.
        """
        import optuna

        states = optuna.trial.TrialState
        try:
            if error is not None:
                claim.handle.set_user_attr(storage.ERROR, error)
                self.study.tell(claim.handle, state=states.FAIL)
            elif stopped:
                self.study.tell(claim.handle, state=states.PRUNED)
            else:
                self.study.tell(claim.handle, value)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            return False
        return True

    def end(self, error: TaxiwayError) -> None:
        """Have every process stop asking, because of an error that the next trial would meet too."""
        with self.locked():
            self._end(error)

    def ended(self) -> TaxiwayError | None:
        """The error that the study ended in, if it did."""
        found = self.study.user_attrs.get(_ENDED)
        if not found:
            return None
        error = error_of_kind(found["kind"], found["message"])
        error.hint = found["hint"]
        return error

    def reopen(self) -> None:
        """Forget the error and the failures before it, and :meth:`release` all. Only while no process trains."""
        self.release()
        if self.study.user_attrs.get(_ENDED):
            self.study.set_user_attr(_FORGIVEN, failed(self.trials()))
            self.study.set_user_attr(_ENDED, None)

    def release(self, worker: str | None = None) -> None:
        """Take the running trials of a process that is gone, or of all, for lost, so that others go on with them."""
        with self.locked():
            running = [one for one in self.trials() if one.state is TrialState.RUNNING]
            self._lose([one for one in running if worker is None or one.worker == worker])
            self._retry(self.trials())

    @contextlib.contextmanager
    def alive(self, claim: Claim) -> Iterator[None]:
        """Mark a trial as alive, from a thread, as long as the block lasts."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.description.heartbeat_seconds):
                # A disk that is full for a moment must not end the marks.
                with contextlib.suppress(Exception):
                    self._store.record_heartbeat(claim.row)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _end(self, error: TaxiwayError) -> None:
        if not self.study.user_attrs.get(_ENDED):
            said = {"kind": error.kind, "message": error.message, "hint": error.hint}
            self.study.set_user_attr(_ENDED, said)

    def _recovered(self) -> list[Trial]:
        """Every trial, once those whose process died are taken for lost and others go on with them."""
        import optuna

        with storage.quiet():
            optuna.storages.fail_stale_trials(self.study)
        trials = self.trials()
        # Between being chosen and its first mark a trial has no worker. Nobody else is between these lines now.
        orphans = [one for one in trials if one.state is TrialState.RUNNING and one.worker is None]
        if not orphans and not to_retry(trials):
            return trials
        self._lose(orphans)
        self._retry(self.trials())
        return self.trials()

    def _lose(self, trials: Sequence[Trial]) -> None:
        import optuna

        for one in trials:
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                self.study.tell(one.number, state=optuna.trial.TrialState.FAIL)

    def _retry(self, trials: Sequence[Trial]) -> None:
        import optuna

        again = to_retry(trials)
        if not again:
            return
        given = {one.number: one for one in self.study.get_trials(deepcopy=False)}
        for one in again:
            lost = given[one.number]
            self.study.add_trial(
                optuna.create_trial(
                    state=optuna.trial.TrialState.WAITING, params=lost.params, distributions=lost.distributions,
                    user_attrs={storage.RETRY_OF: [*one.retry_of, one.number]},
                    intermediate_values=dict(lost.intermediate_values),
                )
            )  # fmt: skip

    def _new_point(self, trials: Sequence[Trial]) -> dict[str, Any] | None:
        """What the next new trial is told: nothing but in a grid. None when there is no new trial."""
        if self._until is not None and time.time() >= self._until:
            return None
        if self.description.search.algorithm != "grid":
            return {}
        points, taken = storage.grid_points(self.description), sum(not one.retry_of for one in trials)
        return points[taken] if taken < len(points) else None

    def _ask(self, trials: Sequence[Trial], point: dict[str, Any], worker: str) -> Claim:
        waiting = any(one.state is TrialState.WAITING for one in trials)
        if point and not waiting:
            self.study.enqueue_trial(point)
        storage.steer(self.study, self.description, len(trials))
        with storage.quiet():
            handle = self.study.ask(storage.distributions(self.description.space))
        row = self._store.get_trial_id_from_study_id_trial_number(self._study_id, handle.number)
        self._store.record_heartbeat(row)
        handle.set_user_attr(storage.WORKER, worker)
        before = next((one for one in trials if one.number == handle.number), None)
        trial = Trial(
            number=handle.number, state=TrialState.RUNNING, params=self.description.space.cast(handle.params),
            epochs=before.epochs if before is not None else {},
            retry_of=before.retry_of if before is not None else (), worker=worker,
        )  # fmt: skip
        return Claim(handle, row, trial)
