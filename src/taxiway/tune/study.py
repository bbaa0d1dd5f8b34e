"""Studies as they stand on disk; reading one needs Optuna, and no TensorFlow."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, NotFound
from taxiway.train.runs import Run
from taxiway.tune.attempt import run_of
from taxiway.tune.claim import Ledger
from taxiway.tune.description import STUDY_FILE, Description, read_description
from taxiway.tune.trials import Trial, TrialState, best_of, finished

__all__ = ["Study", "list_studies", "open_study"]

_RUNNING_FILE = "running.lock"


@dataclass(frozen=True)
class Study:
    """A study's directory.

    ``study.json`` what was asked for, ``study.db`` the trials, ``trials/0007`` a run each, ``best`` the best one.
    """

    path: Path

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.path.resolve().name

    @cached_property
    def description(self) -> Description:
        """What was asked for."""
        return read_description(self.path)

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        with contextlib.closing(Ledger(self.path)) as ledger:
            return ledger.trials()

    @property
    def best(self) -> Trial | None:
        """The best complete trial; None before there is one."""
        return best_of(self.trials, self.description.goal)

    @property
    def best_run(self) -> Run:
        """The run of the best trial, with its model.

        Raises:
            FailedPrecondition: no trial is complete.
        """
        best = self.best
        if best is None:
            raise FailedPrecondition(f"{self.path} has no complete trial.", hint=f"taxiway tune show {self.path}")
        return self.run(best.number)

    def run(self, number: int) -> Run:
        """The run of a trial."""
        return Run(run_of(self.path, number))

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``failed`` or ``stopped``: it can be resumed."""
        return self._status(self.trials)

    def _status(self, trials: list[Trial]) -> str:
        if is_running(self.path):
            return "running"
        with contextlib.closing(Ledger(self.path)) as ledger:
            if ledger.ended() is not None:
                return "failed"
        return "finished" if finished(trials) >= self.description.trials else "stopped"

    def as_json(self) -> dict[str, Any]:
        """What the commands print."""
        trials, goal = self.trials, self.description.goal
        best, states = best_of(trials, goal), [one.state for one in trials]
        return {
            "id": self.id, "path": str(self.path), "job": self.description.request.job, "status": self._status(trials),
            "metric": goal.metric, "direction": goal.direction, "algorithm": self.description.search.algorithm,
            "trials": self.description.trials, "finished": finished(trials),
            "states": {one.value: states.count(one) for one in TrialState if one in states},
            "best": None if best is None else {**best.as_json(), "run": str(run_of(self.path, best.number))},
        }  # fmt: skip


def open_study(name: str | os.PathLike[str], studies: str | os.PathLike[str] = "studies") -> Study:
    """The study of that path, or of that name among ``studies``.

    Raises:
        NotFound: there is none.
    """
    for path in (Path(name), Path(studies) / name):
        if (path / STUDY_FILE).is_file():
            return Study(path)
    raise NotFound(f"There is no study {name}.", hint="taxiway tune list")


def list_studies(studies: str | os.PathLike[str] = "studies") -> list[Study]:
    """The studies in a directory, newest first."""
    return [Study(path.parent) for path in sorted(Path(studies).glob(f"*/{STUDY_FILE}"), reverse=True)]


@contextlib.contextmanager
def alone(directory: Path, patience_seconds: float = 0.5) -> Iterator[None]:
    """While this process, and no other, has a study worked on.

    Raises:
        FailedPrecondition: another one does.
    """
    descriptor = os.open(directory / _RUNNING_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    deadline = time.monotonic() + patience_seconds
    try:
        # Whoever only looks whether it is held has it for a moment.
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise FailedPrecondition(
                    f"Another process works on {directory}.", hint="One command a study; --parallel is how many train."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def is_running(directory: Path) -> bool:
    """Whether a process has the study worked on."""
    try:
        with alone(directory, patience_seconds=0):
            return False
    except FailedPrecondition:
        return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
