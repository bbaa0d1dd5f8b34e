"""The processes of a study on this machine: started on a leash, watched, begun again within bounds, and none left."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from taxiway.errors import InvalidArgument, Unavailable
from taxiway.train.cluster.failure import signal_name
from taxiway.train.cluster.process import RankProcess
from taxiway.train.interrupts import told_of_interrupts
from taxiway.tune.work import PROGRESS

__all__ = ["MAX_PARALLEL", "STUDY_ENDED", "Pool", "check_parallel", "run_pool"]

LOGS = "logs"
# The exit code of a process that found the study ended in an error.
STUDY_ENDED = 3
MAX_PARALLEL = 256
GRACE_SECONDS = 5.0
# So many processes may die without a trial that finishes between, for each one that works at a time.
_DEATHS = 3


@dataclass(frozen=True)
class Pool:
    """What to start.

    Args:
        directory: the study's.
        parallel: how many processes train at a time.
        until: told to each: no new trial after this moment of :func:`time.time`.
    """

    directory: Path
    parallel: int
    until: float | None = None

    def __post_init__(self) -> None:
        check_parallel(self.parallel)

    def command(self, name: str) -> tuple[str, ...]:
        """One process."""
        until = () if self.until is None else ("--until", str(self.until))
        return (sys.executable, "-m", "taxiway.tune.worker", "--study", str(self.directory), "--name", name, *until)


def check_parallel(parallel: int) -> None:
    """Hold a number of processes to what a machine can start.

    Raises:
        InvalidArgument: it is none, or outside of 1 to 256.
    """
    if isinstance(parallel, bool) or not 1 <= parallel <= MAX_PARALLEL:
        raise InvalidArgument(f"parallel is {parallel!r}; it must be from 1 to {MAX_PARALLEL}.", hint="--parallel 2")


def run_pool(pool: Pool, say: Callable[[str], None], lost: Callable[[str], None]) -> None:
    """Run the processes of a study until none is left.

    Args:
        pool: what to start.
        say: told of progress, a line a call.
        lost: told the name of a process that died, before another one takes its place.

    Raises:
        Unavailable: processes die, and no trial finishes.
        KeyboardInterrupt: Ctrl-C or SIGTERM came.

    However it ends, no process that it started is left. A study that has ended in an error ends this too; the error
    stands in the study.
    """
    _Running(pool, say, lost).run()


@dataclass(frozen=True)
class _Exited:
    name: str
    code: int
    line: str


@dataclass(frozen=True)
class _Finished:
    line: str


class _Interrupted:
    pass


class _Running:
    def __init__(self, pool: Pool, say: Callable[[str], None], lost: Callable[[str], None]) -> None:
        self._pool, self._say, self._lost = pool, say, lost
        # SimpleQueue, because its put may be called by a signal handler that interrupted its get.
        self._events: queue.SimpleQueue[_Exited | _Finished | _Interrupted] = queue.SimpleQueue()
        self._alive: dict[str, RankProcess] = {}
        self._deaths = self._started = 0
        self._deadline: float | None = None
        self._interrupted = self._stopping = False
        self._error: Unavailable | None = None

    def run(self) -> None:
        (self._pool.directory / LOGS).mkdir(parents=True, exist_ok=True)
        with told_of_interrupts(lambda: self._events.put(_Interrupted())), self._nothing_left():
            for _ in range(self._pool.parallel):
                self._start()
            while self._alive:
                self._handle(self._next())
        if self._interrupted:
            raise KeyboardInterrupt
        if self._error is not None:
            raise self._error

    def _next(self) -> _Exited | _Finished | _Interrupted | None:
        seconds = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return None

    def _handle(self, event: _Exited | _Finished | _Interrupted | None) -> None:
        if event is None:
            self._signal(kill=True)
            self._deadline = None
        elif isinstance(event, _Finished):
            self._deaths = 0
            # Whoever reads the output may go away; the trials must not stop for it.
            with contextlib.suppress(OSError, ValueError):
                self._say(event.line)
        elif isinstance(event, _Interrupted):
            self._interrupted = True
            self._stop()
        else:
            self._exited(event)

    def _exited(self, event: _Exited) -> None:
        del self._alive[event.name]
        if event.code == STUDY_ENDED:
            self._stop()
        elif event.code != 0 and not self._stopping:
            how = f"was killed by {signal_name(-event.code)}" if event.code < 0 else f"exited with code {event.code}"
            self._deaths += 1
            said = f"{event.name} {how}{f': {event.line}' if event.line else ''}"
            if self._deaths > _DEATHS * self._pool.parallel:
                self._error = Unavailable(
                    f"Processes die and no trial finishes; the last one, {said}.", hint=str(self._log(event.name))
                )
                self._stop()
                return
            self._say(f"{said}; its trial is begun again")
            self._lost(event.name)
            self._start()

    def _stop(self) -> None:
        self._stopping = True
        self._signal(kill=False)
        self._deadline = time.monotonic() + GRACE_SECONDS

    def _signal(self, *, kill: bool) -> None:
        for process in self._alive.values():
            process.send(kill=kill)

    def _start(self) -> None:
        self._started += 1
        name = f"worker {self._started}"
        self._alive[name] = RankProcess(
            self._pool.command(name),
            _environment(self._pool.parallel),
            self._log(name),
            echo=self._echo,
            ended=lambda code, line: self._events.put(_Exited(name, code, line)),
        )

    def _log(self, name: str) -> Path:
        return self._pool.directory / LOGS / f"{name.replace(' ', '-')}.log"

    def _echo(self, line: str) -> None:
        if line.startswith(PROGRESS):
            self._events.put(_Finished(line.removeprefix(PROGRESS)))

    @contextlib.contextmanager
    def _nothing_left(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._signal(kill=True)
            raise


def _environment(parallel: int) -> dict[str, str]:
    """This process's own, with the machine's cores shared out and a GPU's memory taken as it is needed."""
    threads = str(max((os.cpu_count() or 1) // parallel, 1))
    ours = {
        "TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    return {**ours, **kept, "PYTHONUNBUFFERED": "1"}
