"""One process of a study, in a task that Ray started on some machine: claim, train, hand in, until none is left."""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from taxiway.errors import TaxiwayError
from taxiway.train.job import Job
from taxiway.train.ray_cluster.rank import RankFailed, all_output_to, check_shared
from taxiway.tune.attempt import Outcome, UnknownMetric, attempt
from taxiway.tune.claim import Next
from taxiway.tune.description import Description
from taxiway.tune.ray_cluster.desk import Reply
from taxiway.tune.trials import Trial
from taxiway.tune.work import params_text

if TYPE_CHECKING:
    import optuna

__all__ = ["Handle", "log_of", "work_on_ray"]

_LOOK_SECONDS = 0.5

Ask = Callable[..., Any]
"""Asks the desk: the name of a method, and its arguments."""


def log_of(directory: Path, name: str) -> Path:
    """Where the output of a process goes."""
    return directory / "logs" / f"{name.replace(' ', '-')}.log"


def work_on_ray(desk: Any, directory: str, token: str, name: str) -> None:
    """Train the trials that the desk gives out.

    Args:
        desk: the actor of :class:`taxiway.tune.ray_cluster.desk.Desk`.
        directory: the study's, shared by all machines.
        token: the name of a file in it that the driver wrote.
        name: of this process.

    Raises:
        RankFailed: this process cannot go on.
    """
    import ray

    study = Path(directory)
    check_shared(study, token)
    os.environ.pop("TF_CONFIG", None)
    log = log_of(study, name)
    log.parent.mkdir(exist_ok=True)

    def ask(method: str, *arguments: Any) -> Any:
        return ray.get(getattr(desk, method).remote(*arguments))

    with log.open("ab") as file, all_output_to(file.fileno()):
        print(f"on {socket.gethostname()}, process {os.getpid()}")
        try:
            _work(ask, study, name)
        except Exception as error:  # noqa: BLE001 whatever it is, the driver gets one line
            traceback.print_exc()
            raise RankFailed(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from None


def _work(ask: Ask, directory: Path, name: str) -> None:
    description: Description = ask("description")
    loaded: Job | None = None
    idle = threading.Event()
    while True:
        # Importing TensorFlow may take longer than a trial, so it comes before the first one.
        given = ask("claim", name, loaded is not None)
        if given is Next.DONE:
            return
        if given is Next.TRAIN:
            loaded = _loaded(ask, description)
            if loaded is None:
                return
        elif isinstance(given, Trial) and loaded is not None:
            if not _trained(ask, directory, description, given, loaded, name):
                return
        else:
            idle.wait(_LOOK_SECONDS)


def _loaded(ask: Ask, description: Description) -> Job | None:
    from taxiway.train.job import load_job

    request = description.request
    try:
        return load_job(request.job, request.directory if Path(request.directory).is_dir() else ".")
    except TaxiwayError as error:
        ask("end", error.kind, error.message, error.hint)
        return None


def _trained(ask: Ask, directory: Path, description: Description, trial: Trial, job: Job, name: str) -> bool:
    """Train one trial and hand it in; False when no other can have a value either."""
    print(f"trial {trial.number}: {params_text(trial)}", flush=True)
    try:
        # All that is asked of Optuna's trial there.
        handle = cast("optuna.Trial", Handle(ask, name))
        outcome = attempt(directory, description, trial, handle, job, lambda line: print(line, flush=True))
    except UnknownMetric as error:
        ask("finish", name, Outcome(None, error=error.message))
        ask("end", error.kind, error.message, error.hint)
        return False
    ask("finish", name, outcome)
    return True


class Handle:
    """What :func:`taxiway.tune.attempt.attempt` tells of each epoch, in place of Optuna's trial: it asks the desk.

    Args:
        ask: how.
        name: of this process.
    """

    def __init__(self, ask: Ask, name: str) -> None:
        self._ask, self._name, self._reply = ask, name, Reply.GO_ON

    def report(self, value: float, epoch: int) -> None:
        """Tell of an epoch.

        Raises:
            optuna.exceptions.UpdateFinishedTrialError: the trial had been taken for lost.
        """
        import optuna

        self._reply = self._ask("report", self._name, value, epoch)
        if self._reply is Reply.LOST:
            raise optuna.exceptions.UpdateFinishedTrialError

    def should_prune(self) -> bool:
        """Whether it is not worth going on."""
        return self._reply is Reply.STOP
