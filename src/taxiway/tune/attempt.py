"""Training one trial: a run directory, the job with one callback more, and what stands in its ``run.json`` of it."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.train.job import Job
from taxiway.train.request import TrainRequest, nearest, write_request
from taxiway.tune.description import Description
from taxiway.tune.trials import Trial, TrialState

if TYPE_CHECKING:
    import optuna

__all__ = ["TRIALS", "Outcome", "UnknownMetric", "Watch", "attempt", "run_of"]

TRIALS = "trials"
_MAX_SEED = 1 << 32


class UnknownMetric(InvalidArgument):
    """The job does not have the goal's metric, so that no trial can ever have a value."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended: with a value, stopped early, or with the error that the job raised."""

    value: float | None
    stopped: bool = False
    error: str | None = None


def run_of(directory: Path, number: int) -> Path:
    """The run directory of a trial of the study in ``directory``."""
    return directory / TRIALS / f"{number:04d}"


def request_of(description: Description, trial: Trial) -> TrainRequest:
    """What a trial trains: the study's request, with the chosen parameters and a seed of its own."""
    request = description.request
    return dataclasses.replace(
        request, params={**request.params, **trial.params}, seed=(request.seed + trial.first) % _MAX_SEED
    )


def attempt(
    directory: Path,
    description: Description,
    trial: Trial,
    handle: optuna.Trial,
    job: Job,
    say: Callable[[str], None],
) -> Outcome:
    """Train a trial in this process; one that goes on with a lost one begins at its last checkpoint.

    Args:
        directory: the study's.
        description: of the study.
        trial: which.
        handle: told of the value after each epoch.
        job: whose model.
        say: told of progress.

    Raises:
        UnknownMetric: the job does not have the goal's metric.
    """
    import keras

    from taxiway.train.place import ALONE
    from taxiway.train.session import train_here

    run_dir = _run_directory(directory, trial)
    request = request_of(description, trial)
    watch = Watch(description, trial, handle)
    given = job.callbacks
    watched = dataclasses.replace(
        job, callbacks=lambda context: [*(given(context) if given is not None else ()), watch.callback()]
    )
    try:
        write_request(run_dir, request)
        metrics = train_here(request, watched, run_dir, ALONE, say)
        outcome = watch.outcome(metrics)
    except UnknownMetric:
        raise
    except Exception as error:  # noqa: BLE001 the job's own code may raise anything; the trial says what
        sentence = error.message if isinstance(error, TaxiwayError) else f"{type(error).__name__}: {error}"
        outcome = Outcome(None, error=sentence)
    finally:
        # Models of earlier trials would stay in Keras' global state for ever.
        keras.backend.clear_session(free_memory=False)
        gc.collect()
    _note(run_dir, directory.resolve().name, trial, outcome)
    return outcome


class Watch:
    """Reports the goal's metric after each epoch, and has the training stop when it is not worth going on.

    Args:
        description: of the study.
        trial: which is trained; epochs that it has told of already are not told again.
        handle: what Optuna is told by.
    """

    def __init__(self, description: Description, trial: Trial, handle: optuna.Trial) -> None:
        self._goal, self._handle, self._known = description.goal, handle, set(trial.epochs)
        self._early = description.search.early_stopping != "none"
        self._stopped = False

    def callback(self) -> Any:
        """The Keras callback."""
        import keras

        watch = self

        class Watching(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
                if watch.epoch(epoch + 1, logs or {}):
                    self.model.stop_training = True

        return Watching()

    def epoch(self, epoch: int, logs: Mapping[str, Any]) -> bool:
        """Whether to stop after this epoch, counted from 1."""
        import optuna

        value = self._value(logs)
        if not math.isfinite(value):
            self._stopped = True
            return True
        if epoch not in self._known:
            # Whoever took this trial for lost has it trained elsewhere; this one may as well end.
            try:
                self._handle.report(value, epoch)
            except optuna.exceptions.UpdateFinishedTrialError:
                self._stopped = True
                return True
        self._stopped = self._early and bool(self._handle.should_prune())
        return self._stopped

    def outcome(self, metrics: Mapping[str, float]) -> Outcome:
        """What the last epoch's metrics say of the trial."""
        value = self._value(metrics)
        if not math.isfinite(value):
            return Outcome(None, stopped=True)
        return Outcome(value, stopped=self._stopped)

    def _value(self, logs: Mapping[str, Any]) -> float:
        if self._goal.metric not in logs:
            raise UnknownMetric(
                f"The job has no metric {self._goal.metric}; it has {', '.join(logs)}.",
                hint=nearest(self._goal.metric, tuple(logs), "The goal's metric is one of "),
            )
        return float(logs[self._goal.metric])


def _run_directory(directory: Path, trial: Trial) -> Path:
    """The trial's directory; a lost trial's becomes that of the trial that goes on with it, with its checkpoints."""
    own = run_of(directory, trial.number)
    if not own.exists():
        for number in reversed(trial.retry_of):
            with contextlib.suppress(FileNotFoundError):
                run_of(directory, number).rename(own)
                break
    return own


def _note(run_dir: Path, study: str, trial: Trial, outcome: Outcome) -> None:
    """Say in ``run.json`` whose trial the run is; it goes into the lineage of what is published."""
    from taxiway.train.record import RUN_FILE, write_record

    try:
        record = json.loads((run_dir / RUN_FILE).read_bytes())
    except FileNotFoundError:
        record = {"schema": 1, "id": run_dir.name, "status": "failed", "error": outcome.error}
    state = TrialState.FAILED if outcome.error else TrialState.STOPPED if outcome.stopped else TrialState.COMPLETE
    record["id"] = run_dir.name
    record["trial"] = {"study": study, "number": trial.number, "state": state.value}
    write_record(run_dir, record)


def forget_model(run_dir: Path) -> None:
    """Remove what takes space in a run: model and checkpoints. Its record and its metrics stay."""
    for name in ("model", "checkpoints"):
        shutil.rmtree(run_dir / name, ignore_errors=True)
