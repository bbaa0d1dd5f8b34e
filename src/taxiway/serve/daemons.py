"""Threads for what may take for ever: a disk that hangs while a version loads must not keep the process."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from taxiway.serve.ending import leave

__all__ = ["DaemonExecutor", "ended"]

T = TypeVar("T")
# How long the interpreter waits for what runs. TensorFlow's library must not be opened while its destructors run.
_LAST_SECONDS = 10.0
_executors: weakref.WeakSet[DaemonExecutor] = weakref.WeakSet()


class DaemonExecutor(Executor):
    """An executor whose threads the interpreter does not wait for when it ends, or for some seconds only.

    It waits for ever for those of :class:`concurrent.futures.ThreadPoolExecutor`, also after ``shutdown(wait=False)``.

    Args:
        threads: how many there are at most; each is begun when it is needed.
        name: what they are called, with a number.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._most, self._name = threads, name
        self._changed = threading.Condition()
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = self._running = 0
        self._over = False
        _executors.add(self)

    def settles(self, seconds: float) -> bool:
        """Whether nothing runs, now or within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run it on a thread as soon as one is free.

        Raises:
            RuntimeError: after the shutdown.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._over:
                raise RuntimeError("nothing can be run after the shutdown")
            if self._idle <= len(self._jobs) and len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)
            self._jobs.append((future, lambda: fn(*args, **kwargs)))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; see :meth:`concurrent.futures.Executor.shutdown`."""
        with self._changed:
            self._over = True
            while cancel_futures and self._jobs:
                self._jobs.popleft()[0].cancel()
            self._changed.notify_all()
            threads = list(self._threads) if wait else []
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            future, run = job
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(run())
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
            del job, future, run  # held for no longer than needed: what was loaded, above all

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._jobs or self._over)
            self._idle -= 1
            if not self._jobs:
                return None
            self._running += 1
            return self._jobs.popleft()


def ended(code: int) -> int:
    """The exit code of a command that is over. While something runs on an executor, the end of the process."""
    if not all(one.settles(0) for one in list(_executors)):
        leave(code)
    return code


@atexit.register
def _wait() -> None:
    until = time.monotonic() + _LAST_SECONDS
    for one in list(_executors):
        one.settles(until - time.monotonic())
