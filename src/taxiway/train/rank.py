"""One rank of a cluster: what TF_CONFIG makes this process, and whether that fits what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from taxiway.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    TaxiwayError,
    Unavailable,
)
from taxiway.train.cluster.failure import lost_peer
from taxiway.train.cluster.serving import START_SECONDS, serve
from taxiway.train.cluster.tf_config import Cluster, Task, task_from_environment
from taxiway.train.devices import apply_runtime
from taxiway.train.job import Telling, load_job
from taxiway.train.place import place_of
from taxiway.train.report.progress import Progress
from taxiway.train.request import TrainRequest, differing, read_request, write_request
from taxiway.train.runs import Run

__all__ = ["fitted", "share_request", "take_part"]

_LOOK_SECONDS = 0.2
_CLUSTERS = ("auto", "multi-worker", "parameter-server")


def take_part(
    request: TrainRequest,
    run_dir: Path,
    say: Callable[[str], None],
    job: Any = None,
    progress: Progress | None = None,
) -> None:
    """Do what this process's part is: train, or be computed on by the chief; alone without TF_CONFIG.

    Args:
        request: the run's.
        run_dir: its directory.
        say: told of progress.
        job: the job, where it is an object; else the request's is loaded.
        progress: told of every batch, where this process trains.

    Raises:
        InvalidArgument: TF_CONFIG does not fit the request.
        Unavailable: another rank is gone.
        TaxiwayError: what :func:`taxiway.train.session.train_here` raises.
    """

    def finished() -> bool:
        return Run(run_dir).record.get("status") == "finished"

    task = task_from_environment()
    if task is not None:
        request = fitted(request, task)
    if request.runtime:
        # Before the job is imported, which may use TensorFlow.
        apply_runtime(request.runtime, request.seed)
    if task is not None and task.type == "ps":
        serve(task, finished)
        return
    # On workers that are computed on too: a job's module may load libraries of operations.
    found = load_job(request.job if job is None else job, request.directory)
    if task is not None and task.cluster.ps and task.type == "worker":
        serve(task, finished)
        return
    from taxiway.train.session import train_here

    try:
        train_here(request, found, run_dir, place_of(), say, progress)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if task is not None and not isinstance(error, TaxiwayError) and lost_peer(said):
            raise Unavailable(
                f"This rank lost a peer: {said.splitlines()[0]}",
                hint="Start every rank again: the run goes on from its last checkpoint.",
            ) from error
        if isinstance(error, TaxiwayError | OSError):
            raise  # A sentence already; and a full disk is not the job's.
        with Telling(f"{found.name}: training raised", found.source, Internal):
            raise


def fitted(request: TrainRequest, task: Task) -> TrainRequest:
    """The request with the numbers of processes that TF_CONFIG names, where it names none itself.

    Raises:
        InvalidArgument: they do not fit together.
        FailedPrecondition: the request names other numbers.
    """
    if task.type == "evaluator":
        raise InvalidArgument(
            "TF_CONFIG makes this process an evaluator; a run has none, its chief measures every epoch.",
            hint="Start no evaluator.",
        )
    cluster = task.cluster
    _check(request.strategy, cluster)
    servers = len(cluster.ps)
    workers = len(cluster.worker) if servers else len(cluster.chief) + len(cluster.worker)
    asked = request.workers, request.parameter_servers
    if request.workers == 1 and request.parameter_servers == 0:
        asked = workers, servers
    if asked != (workers, servers):
        raise FailedPrecondition(
            f"{_many(*asked)} were asked for; TF_CONFIG names {_many(workers, servers)}.",
            hint="Leave --workers and --parameter-servers out: TF_CONFIG says them.",
        )
    return replace(request, workers=workers, parameter_servers=servers)


def _check(strategy: str, cluster: Cluster) -> None:
    processes = len(cluster.tasks()) - len(cluster.evaluator)
    if strategy not in _CLUSTERS and processes > 1:
        raise InvalidArgument(
            f"TF_CONFIG names {processes} processes; {strategy} trains in one.", hint="--strategy multi-worker"
        )
    if cluster.ps and strategy == "multi-worker":
        raise InvalidArgument("TF_CONFIG names parameter servers; multi-worker has none.", hint="--strategy auto")
    if not cluster.ps and strategy == "parameter-server":
        raise InvalidArgument("TF_CONFIG names no ps, which parameter-server needs.", hint="--strategy multi-worker")
    missing = [type for type in ("chief", "worker") if cluster.ps and not cluster.addresses(type)]
    if missing:
        raise InvalidArgument(f"TF_CONFIG names a ps and no {missing[0]}; parameter servers need a chief and workers.")


def _many(workers: int, servers: int) -> str:
    said = f"{workers} worker{'' if workers == 1 else 's'}"
    return f"{said} and {servers} parameter server{'' if servers == 1 else 's'}" if servers else said


def share_request(
    run_dir: Path,
    asked: TrainRequest,
    task: Task,
    pause: Callable[[float], None] = time.sleep,
    seconds: float = START_SECONDS,
) -> TrainRequest:
    """The request that every rank trains: written by the chief into the directory that all share, read by the others.

    Raises:
        DeadlineExceeded: the chief's did not appear within ``seconds``.
        InvalidArgument: this rank was asked for something else than the chief.
    """
    if task.is_chief:
        write_request(run_dir, asked)
        return asked
    waited = 0.0
    while (found := _read(run_dir)) is None:
        if waited >= seconds:
            raise DeadlineExceeded(
                f"The chief's job.json did not appear in {run_dir} within {seconds:g} seconds.",
                hint="Is the chief started, and is the run directory one that every rank shares?",
            )
        waited += _LOOK_SECONDS
        pause(_LOOK_SECONDS)
    # The folder that the job is in may be another one on each host.
    different = [name for name in differing(found, asked) if name != "directory"]
    if different:
        raise InvalidArgument(
            f"{task.name} was asked for something else than the chief: {', '.join(different)}.",
            hint="Give every rank the same arguments, and a new run directory to a new run.",
        )
    return replace(found, directory=asked.directory)


def _read(run_dir: Path) -> TrainRequest | None:
    try:
        return read_request(run_dir)
    except NotFound:
        return None
