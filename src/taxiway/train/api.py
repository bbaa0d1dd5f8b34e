"""Training a job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.train.cluster.launcher import Launch, launch
from taxiway.train.cluster.supervise import Policy
from taxiway.train.cluster.tf_config import task_from_environment
from taxiway.train.devices import RuntimeSettings, check_devices, physical_devices
from taxiway.train.job import load_job, name_of
from taxiway.train.place import CLUSTERS, check_batch, resolved_strategy
from taxiway.train.placement import placed_strategy, table_of
from taxiway.train.rank import fitted, share_request, take_part
from taxiway.train.report.progress import Progress
from taxiway.train.request import REQUEST_FILE, TrainRequest, write_request
from taxiway.train.runs import Run, new_directory

__all__ = ["is_on_ray", "resume", "run_request", "train"]


def train(
    job: Any,
    *,
    runs: str | os.PathLike[str] = "runs",
    run_dir: str | os.PathLike[str] | None = None,
    on: str = "local",
    ray_address: str | None = None,
    say: Callable[[str], None] | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
    **request: Any,
) -> Run:
    """Train a job and keep what came of it.

    Args:
        job: ``module:attribute``, ``path/to/folder:module`` or ``path/to/file.py``; with one process also an object
            with ``build_model`` and ``datasets``.
        runs: where a new run's directory is made.
        run_dir: the run's own directory; one that holds the same request is resumed.
        on: where the processes run: ``local``, or ``ray`` for the machines of a Ray cluster.
        ray_address: which one: ``auto`` or ``HOST:PORT``; one is started on this machine when nothing says which.
        say: told of progress, a line at a time.
        policy: how long processes that are started here may take to start, and how often they are started again.
        progress: told of every batch, when one process trains.
        request: the other fields of :class:`taxiway.train.TrainRequest`: ``params``, ``strategy``, ``epochs``,
            ``global_batch``, ``seed``, ``workers``, ``parameter_servers``, ``devices``, ``runtime``,
            ``profile``.

    Where TF_CONFIG names a cluster this process trains as its part of it: nothing is started, ``run_dir`` must be given
    and be shared, and the numbers of processes are TF_CONFIG's.

    Returns:
        The finished run.

    Raises:
        TaxiwayError: the job, the request or the devices do not fit; the message says which.
    """
    ray = is_on_ray(on, ray_address)
    if ray and not isinstance(job, str):
        raise InvalidArgument("Ray's ranks cannot share a job that is an object.", hint="Name it: module:attribute")
    asked = TrainRequest(job=job if isinstance(job, str) else name_of(job), **request)
    task = task_from_environment()
    if task is not None:
        asked = fitted(asked, task)
        if run_dir is None and len(task.cluster.tasks()) > 1:
            raise InvalidArgument("Several processes train one run; they need its directory.", hint="--run-dir DIR")
    directory = Path(run_dir) if run_dir is not None else new_directory(Path(runs), name_of(job))
    if task is None:
        write_request(directory, asked)
    else:
        asked = share_request(directory, asked, task)
    try:
        if ray:
            return _run_on_ray(directory, asked, ray_address, say, policy)
        return run_request(directory, asked, None if isinstance(job, str) else job, say, policy, progress)
    except TaxiwayError:
        if run_dir is None:
            _forget_unbegun(directory)
        raise


def resume(
    run_dir: str | os.PathLike[str],
    say: Callable[[str], None] | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
    *,
    on: str = "local",
    ray_address: str | None = None,
) -> Run:
    """Go on with a run that was interrupted, from its newest checkpoint; ``on`` as of :func:`train`."""
    run = Run(Path(run_dir))
    if is_on_ray(on, ray_address):
        return _run_on_ray(run.path, run.request, ray_address, say, policy)
    return run_request(run.path, run.request, None, say, policy, progress)


def run_request(
    run_dir: Path,
    request: TrainRequest,
    job: Any = None,
    say: Callable[[str], None] | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train what a run directory asks for: in this process, as its part of the cluster that TF_CONFIG names, or in
    several processes that are started.

    Raises:
        FailedPrecondition: the run is being trained.
    """
    if task_from_environment() is None:
        Run(run_dir).check_idle()
        if request.strategy in CLUSTERS or request.workers > 1 or request.parameter_servers:
            return _launched(run_dir, request, job, say, policy)
    take_part(request, run_dir, say if say is not None else lambda line: None, job, progress)
    return Run(run_dir)


def _launched(
    run_dir: Path, request: TrainRequest, job: Any, say: Callable[[str], None] | None, policy: Policy | None
) -> Run:
    if job is not None:
        raise InvalidArgument(
            "Several processes cannot share a job that is an object.", hint="Name it: module:attribute"
        )
    # What can be known here is said here, before processes are started.
    name = resolved_strategy(request, 0, False)
    if name == "multi-worker":
        seen = len(request.runtime.get("visible_gpus") or (0,)) * (request.runtime.get("logical_gpus") or 1)
        check_batch(request.global_batch, request.workers * seen)
    elif not request.parameter_servers:
        raise InvalidArgument(f"{name} needs a parameter server.", hint="--parameter-servers 1")
    settings = RuntimeSettings.from_json({**request.runtime, "seed": request.seed})
    check_devices(settings, [device.name for device in physical_devices()])
    if table := table_of(load_job(request.job, request.directory), request.params):
        placed_strategy(name, table)
    launch(
        Launch(
            run_dir=run_dir,
            workers=request.workers,
            parameter_servers=request.parameter_servers,
            policy=Policy() if policy is None else policy,
        ),
        write=say,
    )
    return Run(run_dir)


def is_on_ray(on: str, ray_address: str | None) -> bool:
    """Whether processes run on Ray.

    Args:
        on: ``local`` or ``ray``.
        ray_address: of the cluster; None when none was given.

    Raises:
        InvalidArgument: they name no place, or two.
    """
    if on not in ("local", "ray"):
        raise InvalidArgument(f"There is no place {on!r} to train on.", hint="local or ray")
    if ray_address is not None and on != "ray":
        raise InvalidArgument("An address of Ray was given, but the run is not on Ray.", hint="--on ray")
    if on == "ray" and task_from_environment() is not None:
        raise InvalidArgument("TF_CONFIG names a cluster, and so does Ray.", hint="unset TF_CONFIG, or --on local")
    return on == "ray"


def _run_on_ray(
    run_dir: Path, request: TrainRequest, address: str | None, say: Callable[[str], None] | None, policy: Policy | None
) -> Run:
    from taxiway.train.ray_cluster import launch_on_ray, needs

    Run(run_dir).check_idle()
    # Before the job is imported, which may import TensorFlow.
    needs.check_request(request)
    load_job(request.job, request.directory)
    launch_on_ray(
        run_dir,
        request,
        address=address,
        write=say if say is not None else lambda line: None,
        policy=Policy() if policy is None else policy,
    )
    return Run(run_dir)


def _forget_unbegun(directory: Path) -> None:
    """Remove a new run that was refused before anything was started: it would be listed as waiting for ever."""
    if [path.name for path in directory.iterdir()] == [REQUEST_FILE]:
        shutil.rmtree(directory, ignore_errors=True)
