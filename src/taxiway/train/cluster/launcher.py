"""Start the ranks of a job on this machine, watch them, and leave none behind.

What to do is decided in :mod:`taxiway.train.cluster.supervise`; this module observes and acts.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taxiway.errors import InvalidArgument
from taxiway.train.alive import LAUNCHER
from taxiway.train.cluster.failure import Failure
from taxiway.train.cluster.ports import free_addresses, listens
from taxiway.train.cluster.process import RankProcess
from taxiway.train.cluster.supervise import (
    Action,
    Event,
    Exited,
    Interrupted,
    Listening,
    Phase,
    Policy,
    Rank,
    Say,
    Signal,
    Spawn,
    State,
    Tick,
    begin,
    decide,
)
from taxiway.train.cluster.tf_config import TF_CONFIG, Cluster, Task, tf_config_text
from taxiway.train.interrupts import told_of_interrupts

__all__ = ["LOGS", "Launch", "Report", "launch", "worker_command"]

LOGS = "logs"
MAX_RANKS = 256
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Launch:
    """What to start.

    Args:
        run_dir: the run's directory; the ranks' output goes to its folder ``logs``.
        workers: how many workers.
        parameter_servers: how many parameter servers; with any, a chief is added that coordinates.
        command: one rank; None for Taxiway's own worker on ``run_dir``.
        environment: set for every rank, beside this process's own environment and TF_CONFIG.
        policy: the limits.
    """

    run_dir: Path
    workers: int
    parameter_servers: int = 0
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InvalidArgument(f"A cluster needs at least one worker, not {self.workers}.", hint="--workers 2")
        if self.parameter_servers < 0:
            raise InvalidArgument(f"There cannot be {self.parameter_servers} parameter servers.")
        if self.workers + self.parameter_servers > MAX_RANKS:
            raise InvalidArgument(f"A machine gets at most {MAX_RANKS} ranks.", hint="Use several hosts.")


@dataclass(frozen=True)
class Report:
    """How a launch went.

    Attributes:
        attempts: how often all ranks were started.
        failures: why every attempt but the last one failed.
        replaced: why single ranks were started again while the others went on.
    """

    attempts: int
    failures: tuple[Failure, ...]
    replaced: tuple[Failure, ...] = ()


def worker_command(run_dir: Path) -> tuple[str, ...]:
    """The command of one rank of a run."""
    return (sys.executable, "-m", "taxiway.train.worker", "--run-dir", str(run_dir))


def launch(job: Launch, *, write: Callable[[str], None] | None = None) -> Report:
    """Run a job's ranks until all are done.

    Args:
        job: what to start.
        write: where output goes, one line a call and one call at a time; standard output when None.

    Raises:
        DeadlineExceeded: a rank did not start in time; the message names it, the hint its log.
        Internal: a rank's program failed; the message says how, the hint names its log.
        Unavailable: ranks died more often than ``max_restarts`` allows.
        KeyboardInterrupt: Ctrl-C or SIGTERM came.

    However it ends, no process that it started is left. Called from the main thread it handles SIGINT and SIGTERM
    while it runs.
    """
    return _Launcher(job, _printed if write is None else write).run()


def _printed(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class _Launcher:
    def __init__(self, job: Launch, write: Callable[[str], None]) -> None:
        self._job, self._write, self._writing = job, write, threading.Lock()
        # SimpleQueue, because its put may be called by a signal handler that interrupted its get.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._logs = job.run_dir / LOGS
        self._attempt = 0
        self._tasks: dict[str, Task] = {}
        self._processes: dict[str, RankProcess] = {}

    def run(self) -> Report:
        self._logs.mkdir(parents=True, exist_ok=True)
        state, actions = begin(_ranks(self._job, self._logs), self._job.policy, time.monotonic())
        with told_of_interrupts(lambda: self._events.put(Interrupted())), self._nothing_left():
            while True:
                for action in actions:
                    self._act(action)
                if state.phase is Phase.ENDED:
                    break
                state, actions = decide(state, self._next(state), time.monotonic())
        if state.interrupted:
            raise KeyboardInterrupt
        if state.error is not None:
            raise state.error
        return Report(state.attempt, state.failures, state.replaced)

    def _next(self, state: State) -> Event:
        """The next event: something in the queue, a rank that listens, or that time passed."""
        seconds = None if state.deadline is None else max(0.0, state.deadline - time.monotonic())
        if state.phase is Phase.WAITING and state.awaited:
            for name in state.awaited:
                if self._events.empty() and listens(self._tasks[name].address):
                    return Listening(name)
            seconds = _LOOK_SECONDS if seconds is None else min(seconds, _LOOK_SECONDS)
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return Tick()

    def _act(self, action: Action) -> None:
        if isinstance(action, Spawn):
            self._spawn(action)
        elif isinstance(action, Signal):
            for name in action.ranks:
                self._processes[name].send(kill=action.kill)
        elif isinstance(action, Say):
            self._show("launcher", action.text)

    def _spawn(self, action: Spawn) -> None:
        if action.attempt != self._attempt:
            # Other ports each time: one of the old ones may be why the last attempt failed.
            self._attempt, self._tasks, self._processes = action.attempt, _tasks(self._job), {}
        command = self._job.command or worker_command(self._job.run_dir)
        for name in action.ranks:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self._job.environment}
            environment[LAUNCHER] = str(os.getpid())
            environment[TF_CONFIG] = tf_config_text(self._tasks[name])
            self._processes[name] = RankProcess(
                command,
                environment,
                _log(self._logs, name),
                echo=lambda line, name=name: self._show(name, line),  # type: ignore[misc]
                ended=lambda code, line, name=name: self._events.put(Exited(name, code, line)),  # type: ignore[misc]
            )

    def _show(self, name: str, line: str) -> None:
        # Whoever reads the output may go away; the ranks must not stop for it.
        with self._writing, contextlib.suppress(OSError, ValueError):
            self._write(f"[{name}] {line}")

    @contextlib.contextmanager
    def _nothing_left(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for process in self._processes.values():
                process.send(kill=True)
            raise


def _ranks(job: Launch, logs: Path) -> tuple[Rank, ...]:
    served = job.parameter_servers > 0
    return tuple(
        Rank(
            task.name,
            str(_log(logs, task.name)),
            # With parameter servers the chief is the program; the others work for it until they are ended.
            finishes=task.type == "chief" or not served,
            wave=1 if task.type == "chief" else 0,
            alone=served and task.type == "worker",
        )
        for task in _cluster(job, ("",) * _most(job)).tasks()
    )


def _tasks(job: Launch) -> dict[str, Task]:
    return {task.name: task for task in _cluster(job, free_addresses(_most(job))).tasks()}


def _most(job: Launch) -> int:
    return job.workers + job.parameter_servers + 1


def _cluster(job: Launch, addresses: tuple[str, ...]) -> Cluster:
    servers = job.workers + job.parameter_servers
    chief = addresses[servers : servers + 1] if job.parameter_servers else ()
    return Cluster(chief, worker=addresses[: job.workers], ps=addresses[job.workers : servers])


def _log(logs: Path, name: str) -> Path:
    return logs / f"{name.replace(' ', '-')}.log"
