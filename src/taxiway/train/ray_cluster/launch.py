"""A run's ranks on Ray: start them, show what they print, start all again after a loss, and leave none behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxiway.errors import DeadlineExceeded, TaxiwayError, Unavailable
from taxiway.train.cluster.failure import Failure
from taxiway.train.cluster.launcher import Report
from taxiway.train.cluster.supervise import Policy
from taxiway.train.interrupts import interrupts
from taxiway.train.ray_cluster import needs
from taxiway.train.ray_cluster.attempt import SETTINGS, Ended, conduct, failure_of
from taxiway.train.ray_cluster.connect import Connection, connected
from taxiway.train.ray_cluster.follow import Follower
from taxiway.train.ray_cluster.rank import log_of, started_mark
from taxiway.train.request import TrainRequest

__all__ = ["launch_on_ray"]

_LOOK_SECONDS = 0.2


def launch_on_ray(
    run_dir: Path,
    request: TrainRequest,
    *,
    address: str | None = None,
    write: Callable[[str], None],
    policy: Policy,
) -> Report:
    """Run a request's ranks on a Ray cluster until all are done.

    Args:
        run_dir: the run's directory, on storage that the machines of the cluster share.
        request: what stands in it.
        address: as of :func:`connected`.
        write: told every line that a rank prints, and what is done about failures.
        policy: the limits, as of a launch on one machine.

    Raises:
        FailedPrecondition: Ray is not installed, or the cluster is too small.
        InvalidArgument: the request does not fit Ray, or the run directory is not shared.
        DeadlineExceeded: ranks did not start in time.
        Internal: the program failed.
        Unavailable: no cluster answered, or ranks died more often than the policy allows.
        KeyboardInterrupt: Ctrl-C or SIGTERM came.

    However it ends, no process that it started is left, and a cluster that it started is ended.
    """
    needs.check_request(request)
    with connected(address, request.workers) as connection:
        return _Launch(connection, run_dir.resolve(), request, write, policy).run()


class _Launch:
    def __init__(
        self, connection: Connection, run_dir: Path, request: TrainRequest, write: Callable[[str], None], policy: Policy
    ) -> None:
        self._connection, self._ray = connection, connection.ray
        self._run_dir, self._workers, self._policy = run_dir, request.workers, policy
        self._write = write
        self._logs = {f"worker {rank}": log_of(run_dir, rank) for rank in range(request.workers)}

    def run(self) -> Report:
        problem = needs.shortage(self._workers, self._connection.total("CPU"))
        if problem is not None:
            raise problem
        failures: list[Failure] = []
        with interrupts() as self._interrupted:
            while ended := self._attempt(bool(failures)):
                failures.append(failure_of(ended))
                problem = needs.end_of(
                    failures, self._policy, any(one.wrong for one in ended), self._log(failures[-1].rank)
                )
                if problem is not None:
                    raise problem
                again = f"({len(failures)} of {self._policy.max_restarts})"
                self._say(f"{failures[-1].sentence} All start again from the last checkpoint {again}.")
        return Report(len(failures) + 1, tuple(failures))

    def _attempt(self, again: bool) -> list[Ended]:
        """Start all ranks and wait for their end."""
        deadline = time.monotonic() + self._policy.start_seconds
        self._wait_for_room(deadline, again)
        token = f".ray-{uuid.uuid4().hex}"
        storage = tempfile.mkdtemp(prefix="taxiway-ray-")
        follower = Follower(self._logs, self._write)
        try:
            (self._run_dir / token).touch()
            task = self._conduct(token, storage)
            try:
                return self._watched(task, token, follower, deadline)
            finally:
                self._end(task)
                follower.finish()
        finally:
            shutil.rmtree(storage, ignore_errors=True)
            for path in self._run_dir.glob(f"{token}*"):
                path.unlink(missing_ok=True)

    def _wait_for_room(self, deadline: float, again: bool) -> None:
        """Wait until the CPUs are free; a machine that was lost may come back, a job before this one may end."""
        told = False
        while True:
            total, free = self._connection.total("CPU"), self._connection.free("CPU")
            if free >= self._workers:
                return
            if time.monotonic() >= deadline:
                lost = " since a machine was lost" if again and total < self._workers else ""
                raise Unavailable(
                    f"{self._workers} workers need {self._workers} CPUs; the cluster has {total:g}{lost}, of which "
                    f"{free:g} were free after {self._policy.start_seconds:g} seconds.",
                    hint=f"When there are more: taxiway train --resume {self._run_dir} --on ray",
                )
            if not told:
                told = True
                self._say(f"waits for {self._workers} free CPUs; {free:g} of {total:g} are free")
            self._pause(_LOOK_SECONDS)

    def _conduct(self, token: str, storage: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = self._ray.get_runtime_context().get_node_id()
        gpus = needs.wants_gpus(self._workers, self._connection.total("GPU"))
        remote = self._ray.remote(
            num_cpus=0,
            max_retries=0,
            # Here, so that it ends with this machine, and finds its folder.
            scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
            runtime_env={"env_vars": SETTINGS},
        )(conduct)
        return remote.remote(str(self._run_dir), token, self._workers, gpus, storage)

    def _watched(self, task: Any, token: str, follower: Follower, deadline: float) -> list[Ended]:
        starting = True
        while True:
            done, _ = self._ray.wait([task], timeout=_LOOK_SECONDS)
            follower.look()
            if done:
                return self._outcome(task)
            self._pause(0)
            if starting:
                late = [n for n in range(self._workers) if not started_mark(self._run_dir, token, n).exists()]
                starting = bool(late)
                if late and time.monotonic() >= deadline:
                    raise self._never_started(late)

    def _outcome(self, task: Any) -> list[Ended]:
        try:
            ended: list[Ended] = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            ended = [Ended(-1, died=True, line=str(error).strip().splitlines()[-1])]
        return ended

    def _end(self, task: Any) -> None:
        """End what an attempt started: asked first, since Ray Train then takes down its own helpers, then made to."""
        for force in (False, True):
            done, _ = self._ray.wait([task], timeout=0 if not force else self._policy.grace_seconds)
            if done:
                return
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(task, force=force)
        self._ray.wait([task], timeout=self._policy.grace_seconds)

    def _never_started(self, late: list[int]) -> TaxiwayError:
        names = " and ".join(f"worker {rank}" for rank in late)
        return DeadlineExceeded(
            f"{names} did not start within {self._policy.start_seconds:g} seconds; all ranks were ended.",
            hint=f"See {', '.join(self._log(f'worker {rank}') for rank in late)}, and ray status.",
        )

    def _pause(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise KeyboardInterrupt

    def _say(self, text: str) -> None:
        self._write(f"[launcher] {text}")

    def _log(self, name: str) -> str:
        return str(self._logs.get(name, self._run_dir / "logs"))
