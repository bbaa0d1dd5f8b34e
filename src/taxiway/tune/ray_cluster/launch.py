"""A study's processes on Ray: started where there is room, watched, begun again within bounds, and none left."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument, Unavailable
from taxiway.train.interrupts import interrupts
from taxiway.train.ray_cluster.attempt import ended_of
from taxiway.train.ray_cluster.connect import Connection, connected
from taxiway.train.ray_cluster.needs import wants_gpus
from taxiway.tune.ray_cluster.desk import Desk, News
from taxiway.tune.ray_cluster.process import log_of, work_on_ray

__all__ = ["START_SECONDS", "RayPool", "run_on_ray"]

START_SECONDS = 180.0
GRACE_SECONDS = 5.0
# So many processes may die without a trial that finishes between, for each one that works at a time.
DEATHS = 3
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class RayPool:
    """What to start.

    Args:
        directory: the study's, on storage that the machines of the cluster share.
        parallel: how many trials are trained at a time, each with a CPU of its own, and a GPU if there are enough.
        until: no new trial after this moment of :func:`time.time`.
        address: of the cluster, as :func:`taxiway.train.ray_cluster.connected` takes it.
        start_seconds: how long it may take until at least one process works.
    """

    directory: Path
    parallel: int
    until: float | None = None
    address: str | None = None
    start_seconds: float = START_SECONDS

    def __post_init__(self) -> None:
        if isinstance(self.parallel, bool) or self.parallel < 1:
            raise InvalidArgument(f"parallel is {self.parallel!r}; it must be at least 1.")


def run_on_ray(pool: RayPool, say: Callable[[str], None]) -> None:
    """Run the processes of a study on a Ray cluster until none of its trials is left.

    Args:
        pool: what to start.
        say: told of progress, a line a call.

    Raises:
        FailedPrecondition: Ray is not installed, or the cluster is too small.
        InvalidArgument: the study's directory is not shared, or the address is none.
        Unavailable: no cluster answers, no process starts, or processes die and no trial finishes.
        KeyboardInterrupt: Ctrl-C or SIGTERM came.

    However it ends, no process that it started is left. A study that has ended in an error ends this too; the error
    stands in the study.
    """
    with connected(pool.address, pool.parallel) as connection:
        cpus = connection.total("CPU")
        if cpus < pool.parallel:
            raise FailedPrecondition(
                f"{pool.parallel} trials at a time need {pool.parallel} CPUs; the cluster has {cpus:g}.",
                hint="--parallel, or ray start --address=HEAD:PORT on another machine.",
            )
        _Running(connection, pool, say).run()


class _Running:
    def __init__(self, connection: Connection, pool: RayPool, say: Callable[[str], None]) -> None:
        self._ray, self._pool, self._say = connection.ray, pool, say
        self._gpus = int(wants_gpus(pool.parallel, connection.total("GPU")))
        self._directory = pool.directory.resolve()
        self._token = f".ray-{uuid.uuid4().hex}"
        self._tasks: dict[Any, str] = {}
        self._count = self._deaths = 0
        self._done = False

    def run(self) -> None:
        token = self._directory / self._token
        token.touch()
        self._desk = self._desk_actor().remote(str(self._directory), self._pool.until)
        try:
            with interrupts() as interrupted:
                for _ in range(self._pool.parallel):
                    self._start()
                deadline = time.monotonic() + self._pool.start_seconds
                while self._tasks and not self._done:
                    started = self._look()
                    if interrupted.wait(0):
                        raise KeyboardInterrupt
                    if started & set(self._tasks.values()):
                        deadline = time.monotonic() + self._pool.start_seconds
                    elif time.monotonic() > deadline and self._tasks:
                        raise self._none_started()
                self._settle()
        finally:
            self._end()
            token.unlink(missing_ok=True)

    def _desk_actor(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = self._ray.get_runtime_context().get_node_id()
        # On this machine, where the database is: SQLite's locks do not hold over a network.
        where = NodeAffinitySchedulingStrategy(here, soft=False)
        return self._ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy=where)(Desk)

    def _start(self) -> None:
        self._count += 1
        name = f"worker {self._count}"
        remote = self._ray.remote(
            num_cpus=1, num_gpus=self._gpus, max_retries=0, max_calls=1, scheduling_strategy="SPREAD",
            runtime_env={"env_vars": {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}},
        )(work_on_ray)  # fmt: skip
        self._tasks[remote.remote(self._desk, str(self._directory), self._token, name)] = name

    def _look(self) -> frozenset[str]:
        """Handle what has happened; the names of all processes that have started so far."""
        ended, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=_LOOK_SECONDS)
        news = self._news()
        for task in ended:
            self._ended(task, self._tasks.pop(task))
        return news.started

    def _news(self) -> News:
        news: News = self._ray.get(self._desk.news.remote())
        for line in news.lines:
            self._deaths = 0
            # Whoever reads the output may go away; the trials must not stop for it.
            with contextlib.suppress(OSError, ValueError):
                self._say(line)
        return news

    def _ended(self, task: Any, name: str) -> None:
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            ended = ended_of(0, error)
        else:
            # It found no trial left, or the study ended; then so do the others.
            self._done = True
            return
        how = "is gone: it was killed, or its machine was lost" if ended.died else f"failed: {ended.line}"
        log = str(log_of(self._directory, name))
        if ended.wrong:
            raise InvalidArgument(f"{name} {how}.", hint="--studies, or --study-dir, on shared storage.")
        self._deaths += 1
        if self._deaths > DEATHS * self._pool.parallel:
            raise Unavailable(f"Processes die and no trial finishes; the last one, {name}, {how}.", hint=log)
        self._say(f"{name} {how}; its trial is begun again")
        self._ray.get(self._desk.lost.remote(name))
        self._start()

    def _settle(self) -> None:
        """Let the others find that nothing is left; those that wait for a CPU never will."""
        if self._tasks:
            self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=GRACE_SECONDS)
        self._news()

    def _end(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            for task in self._tasks:
                self._ray.cancel(task, force=True)
            self._ray.wait(
                list(self._tasks), num_returns=len(self._tasks), timeout=GRACE_SECONDS
            ) if self._tasks else None
            self._ray.get(self._desk.close.remote(), timeout=GRACE_SECONDS)
        self._ray.kill(self._desk)

    def _none_started(self) -> Unavailable:
        total = float(self._ray.cluster_resources().get("CPU", 0.0))
        return Unavailable(
            f"No process started within {self._pool.start_seconds:g} seconds; the cluster has {total:g} CPUs.",
            hint=f"ray status; then: taxiway tune --resume {self._pool.directory} --on ray",
        )
