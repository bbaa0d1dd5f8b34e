"""Tuning a job."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.train.api import is_on_ray
from taxiway.train.job import name_of
from taxiway.train.request import TrainRequest
from taxiway.train.runs import new_directory
from taxiway.tune.claim import Ledger
from taxiway.tune.description import Budget, Description, Goal, Search, read_description, write_description
from taxiway.tune.pool import Pool, check_parallel, run_pool
from taxiway.tune.read import read_declaration
from taxiway.tune.space import Space
from taxiway.tune.storage import require_optuna
from taxiway.tune.study import Study, alone
from taxiway.tune.work import PROGRESS, work

__all__ = ["describe", "resume", "tune"]

_BUDGET = ("trials", "seconds", "max_failed")
_SEARCH = ("algorithm", "early_stopping")
_KEPT = ("keep_models", "heartbeat_seconds")


def tune(
    job: Any,
    space: str | os.PathLike[str] | Mapping[str, Any] | Space,
    *,
    goal: Goal | str | None = None,
    parallel: int = 1,
    studies: str | os.PathLike[str] = "studies",
    study_dir: str | os.PathLike[str] | None = None,
    on: str = "local",
    ray_address: str | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Study:
    """Find good parameters of a job by training it again and again.

    Args:
        job: ``module:attribute``, ``path/to/folder:module`` or ``path/to/file.py``; with ``parallel=1`` also an object
            with ``build_model`` and ``datasets``, whose trials are trained in this process.
        space: a :class:`Space`, a dictionary, or the path of a TOML file.
        goal: a :class:`Goal` or ``"maximize:val_accuracy"``; what the file says otherwise.
        parallel: how many trials are trained at a time, each by a process.
        studies: where a new study's directory is made.
        study_dir: the study's own directory; one that holds the same study is resumed.
        on: where the processes run: ``local``, or ``ray`` for the machines of a Ray cluster.
        ray_address: which one: ``auto`` or ``HOST:PORT``; one is started on this machine when nothing says which.
        say: told of progress, a line at a time.
        options: ``trials``, ``seconds``, ``max_failed`` of :class:`Budget`; ``algorithm``, ``early_stopping`` of
            :class:`Search`; ``keep_models``, ``heartbeat_seconds``; and the fields of
            :class:`taxiway.train.TrainRequest` that every trial has: ``params``, ``strategy``, ``epochs``,
            ``global_batch``, ``seed``, ``devices``.

    Returns:
        The study: ``best``, ``trials``, ``best_run``.

    Raises:
        TaxiwayError: the space, the job or the options do not fit, or too many trials failed.
    """
    require_optuna()
    described = describe(job, space, goal=goal, **options)
    where = _Where(parallel, is_on_ray(on, ray_address), ray_address)
    if not isinstance(job, str) and (parallel != 1 or where.ray):
        raise InvalidArgument(
            "Several processes cannot share a job that is an object.", hint="Name it: module:attribute"
        )
    directory = Path(study_dir) if study_dir is not None else new_directory(Path(studies), name_of(job))
    write_description(directory, described)
    return _run(directory, described, where, None if isinstance(job, str) else job, say)


def resume(
    study_dir: str | os.PathLike[str],
    *,
    parallel: int = 1,
    on: str = "local",
    ray_address: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Study:
    """Go on with a study that was interrupted, or ended because too many trials failed; places as of :func:`tune`."""
    require_optuna()
    directory = Path(study_dir)
    where = _Where(parallel, is_on_ray(on, ray_address), ray_address)
    return _run(directory, read_description(directory), where, None, say)


def describe(
    job: Any,
    space: str | os.PathLike[str] | Mapping[str, Any] | Space,
    *,
    goal: Goal | str | None = None,
    **options: Any,
) -> Description:
    """The description of the study that :func:`tune` would run, with the same arguments."""
    declared = read_declaration(space)
    wanted = Goal.parse(goal) if isinstance(goal, str) else goal or declared.goal
    if wanted is None:
        raise InvalidArgument(
            "The study has no goal.", hint="--goal maximize:val_accuracy, or [goal] in the space's file"
        )
    taken = {name: options.pop(name) for name in (*_BUDGET, *_SEARCH, *_KEPT) if options.get(name) is not None}
    asked = {name: value for name, value in options.items() if name not in (*_BUDGET, *_SEARCH, *_KEPT)}
    return Description(
        request=TrainRequest(job=job if isinstance(job, str) else name_of(job), **asked),
        space=declared.space,
        goal=wanted,
        budget=Budget(**{**declared.budget, **{name: taken[name] for name in _BUDGET if name in taken}}),
        search=Search(**{**declared.search, **{name: taken[name] for name in _SEARCH if name in taken}}),
        **{name: taken[name] for name in _KEPT if name in taken},
    )


@dataclass(frozen=True)
class _Where:
    parallel: int
    ray: bool
    address: str | None

    def __post_init__(self) -> None:
        # Before a new study has a directory.
        check_parallel(self.parallel)


def _run(
    directory: Path, description: Description, where: _Where, job: Any, say: Callable[[str], None] | None
) -> Study:
    told = say if say is not None else lambda line: None
    seconds = description.budget.seconds
    until = None if seconds is None else time.time() + seconds
    pool = Pool(directory, where.parallel, until)
    with alone(directory), contextlib.closing(Ledger(directory)) as ledger:
        # Whoever worked on it is gone, however it went; nobody else has begun.
        ledger.reopen()
        try:
            if where.ray:
                from taxiway.tune.ray_cluster.launch import RayPool, run_on_ray

                run_on_ray(RayPool(directory, where.parallel, until, where.address), told)
            elif job is None:
                run_pool(pool, told, ledger.release)
            else:
                work(directory, job=job, until=until, say=_watched(told))
        finally:
            # Nothing runs any more: what still says so is begun again by whoever resumes.
            ledger.release()
        error = ledger.ended()
    if error is not None:
        raise error
    return Study(directory)


def _watched(say: Callable[[str], None]) -> Callable[[str], None]:
    """Only the lines for whoever watches."""

    def told(line: str) -> None:
        if line.startswith(PROGRESS):
            say(line.removeprefix(PROGRESS))

    return told
