"""What a process of a study does: claim a trial, train it, note down what came of it, until none is left."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxiway.errors import TaxiwayError
from taxiway.train.job import Job
from taxiway.tune.attempt import Outcome, UnknownMetric, attempt, forget_model, run_of
from taxiway.tune.claim import Claim, Ledger, Next
from taxiway.tune.trials import Trial, best_of, finished, ranked

__all__ = ["PROGRESS", "finish_trial", "params_text", "work"]

# Lines for the one who watches begin with it; everything else is for the log.
PROGRESS = "study: "
BEST = "best"
_LOOK_SECONDS = 0.25


def work(
    directory: Path, *, job: Any = None, until: float | None = None, name: str = "", say: Callable[[str], None]
) -> None:
    """Train the trials of a study, one after the other, until none is left. Several processes may do so at once.

    Args:
        directory: the study's.
        job: the job when it is an object; found by its name otherwise.
        until: no new trial after this moment of :func:`time.time`.
        name: of this process, noted down with its trials; host and process number when empty.
        say: told of progress; lines that open with :data:`PROGRESS` are for whoever watches the study.

    Raises:
        TaxiwayError: the study has ended: no trial can have a value, or too many failed.
    """
    with contextlib.closing(Ledger(directory, until)) as ledger:
        _work(ledger, job, name or f"{socket.gethostname()}:{os.getpid()}", say)


def _work(ledger: Ledger, job: Any, name: str, say: Callable[[str], None]) -> None:
    loaded: Job | None = None
    idle = threading.Event()
    while True:
        # Importing TensorFlow holds up the thread that marks a trial as alive, so it comes before the first trial.
        claim = ledger.look() if loaded is None else ledger.claim(name)
        if claim is Next.DONE:
            return
        if claim is Next.TRAIN:
            loaded = _loaded(ledger, job)
            continue
        if not isinstance(claim, Claim) or loaded is None:
            idle.wait(_LOOK_SECONDS)
            continue
        with ledger.alive(claim):
            try:
                say(f"trial {claim.trial.number}: {params_text(claim.trial)}")
                outcome = attempt(ledger.directory, ledger.description, claim.trial, claim.handle, loaded, say)
            except UnknownMetric as error:
                # The next trial would say so too.
                ledger.finish(claim, value=None, error=error.message)
                ledger.end(error)
                raise
        finish_trial(ledger, claim, outcome, say)


def _loaded(ledger: Ledger, job: Any) -> Job:
    from taxiway.train.job import load_job

    request = ledger.description.request
    try:
        where = request.directory if Path(request.directory).is_dir() else "."
        return load_job(request.job if job is None else job, where)
    except TaxiwayError as error:
        ledger.end(error)
        raise


def finish_trial(ledger: Ledger, claim: Claim, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Note down how a trial ended, and say so; models that are not among the best are removed."""
    with ledger.locked():
        ours = ledger.finish(claim, value=outcome.value, stopped=outcome.stopped, error=outcome.error)
        trials = ledger.trials()
        _keep_models(ledger, trials)
    number = claim.trial.number
    gone = f"trial {number} had been taken for lost; another one goes on with it"
    say(PROGRESS + (_progress(ledger, trials, number) if ours else gone))


def _keep_models(ledger: Ledger, trials: list[Trial]) -> None:
    """Point ``best`` at the best trial's run, and remove models that are not among the best."""
    order = ranked(trials, ledger.description.goal)
    if order:
        link = ledger.directory / BEST
        part = link.with_name(f".{BEST}.{os.getpid()}")
        part.unlink(missing_ok=True)
        part.symlink_to(run_of(Path(), order[0].number), target_is_directory=True)
        part.replace(link)
    kept = {one.number for one in order[: ledger.description.keep_models]}
    for one in trials:
        if one.number not in kept and one.state.value in ("complete", "stopped", "failed"):
            forget_model(run_of(ledger.directory, one.number))


def _progress(ledger: Ledger, trials: list[Trial], number: int) -> str:
    description = ledger.description
    one, best = trials[number], best_of(trials, description.goal)
    count = f"{finished(trials)}/{description.trials}"
    if one.error is not None:
        return f"{count}  trial {number} failed: {one.error}"
    figure = "no number" if one.value is None else f"{one.value:.4g}"
    early = f"  stopped after epoch {max(one.epochs, default=0)}" if one.state.value == "stopped" else ""
    so_far = f"  best {best.value:.4g} (trial {best.number})" if best is not None and best.value is not None else ""
    return f"{count}  trial {number}  {description.goal.metric} {figure}{early}  {params_text(one)}{so_far}"


def params_text(trial: Trial) -> str:
    """``rate=0.003 units=64``."""
    return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial.params.items())
