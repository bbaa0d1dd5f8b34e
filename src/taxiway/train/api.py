"""Training a job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.train.job import load_job, name_of
from taxiway.train.request import TrainRequest, write_request
from taxiway.train.runs import Run

__all__ = ["resume", "run_request", "train"]


def train(
    job: Any,
    *,
    runs: str | os.PathLike[str] = "runs",
    run_dir: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    **request: Any,
) -> Run:
    """Train a job and keep what came of it.

    Args:
        job: ``module:attribute``, ``path/to/folder:module`` or ``path/to/file.py``; with one process also an object
            with ``build_model`` and ``datasets``.
        runs: where a new run's directory is made.
        run_dir: the run's own directory; one that holds the same request is resumed.
        say: told of progress, a line at a time.
        request: the other fields of :class:`taxiway.train.TrainRequest`: ``params``, ``strategy``, ``epochs``,
            ``global_batch``, ``seed``, ``workers``, ``devices``, ``runtime``.

    Returns:
        The finished run.

    Raises:
        TaxiwayError: the job, the request or the devices do not fit; the message says which.
    """
    asked = TrainRequest(job=job if isinstance(job, str) else name_of(job), **request)
    directory = Path(run_dir) if run_dir is not None else _new_directory(Path(runs), name_of(job))
    write_request(directory, asked)
    return run_request(directory, asked, None if isinstance(job, str) else job, say)


def resume(run_dir: str | os.PathLike[str], say: Callable[[str], None] | None = None) -> Run:
    """Go on with a run that was interrupted, from its newest checkpoint."""
    run = Run(Path(run_dir))
    return run_request(run.path, run.request, None, say)


def run_request(run_dir: Path, request: TrainRequest, job: Any = None, say: Callable[[str], None] | None = None) -> Run:
    """Train what a run directory asks for, in this process, or in several that are started."""
    from taxiway.train.place import CLUSTERS, place_of

    place, clustered = place_of(), request.strategy in CLUSTERS or request.workers > 1
    if place.world == 1 and clustered:
        if job is not None:
            raise InvalidArgument(
                "Several processes cannot share a job that is an object.", hint="Name it: module:attribute"
            )
        from taxiway.train.cluster.launcher import Launch, launch

        load_job(request.job, request.directory)
        launch(Launch(run_dir=run_dir, workers=request.workers, parameter_servers=request.parameter_servers), write=say)
        return Run(run_dir)
    from taxiway.train.devices import apply_runtime
    from taxiway.train.session import train_here

    apply_runtime(request.runtime, request.seed)  # before the job is imported, which may use TensorFlow
    found = load_job(request.job if job is None else job, request.directory)
    train_here(request, found, run_dir, place, say if say is not None else lambda line: None)
    return Run(run_dir)


def _new_directory(runs: Path, name: str) -> Path:
    stem = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{name}"
    number = 1
    while True:
        path = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return path
