"""An executor whose tasks run when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

__all__ = ["StepExecutor"]


class StepExecutor(Executor):
    """Keeps what is submitted; :meth:`run_one` and :meth:`run_all` run it in the caller's thread."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Keep a task."""
        future: Future[Any] = Future()

        def run() -> None:
            future.set_running_or_notify_cancel()
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - the future gets it, whatever it is
                future.set_exception(error)

        self.waiting.append(run)
        return future

    def run_one(self) -> None:
        """Run the oldest task."""
        self.waiting.pop(0)()

    def run_all(self) -> int:
        """Run every task that waits now; return how many."""
        tasks, self.waiting = self.waiting, []
        for task in tasks:
            task()
        return len(tasks)
