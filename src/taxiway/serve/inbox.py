"""How calls come from any thread to the one that owns the state."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

from taxiway.errors import Unavailable

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox:
    """Calls that wait for the owning thread, and wake it."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = False

    def post(self, call: Callable[[], None]) -> None:
        """Have ``call`` run in the owning thread."""
        self._inbox.put(call)
        self._wake.set()

    def ask(self, question: Callable[[], T], timeout_seconds: float = 30.0) -> T:
        """Run ``question`` in the owning thread and return, or raise, what it does.

        Raises:
            Unavailable: the thread has stopped, or is stuck. What had not begun by then is not done later.
        """
        answer: Future[T] = Future()

        def run() -> None:
            if not answer.set_running_or_notify_cancel():
                return  # the asker was told that it failed
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - the asker gets it, whatever it is
                answer.set_exception(error)

        if self._stopping:
            raise Unavailable("the server is stopping")
        self.post(run)
        try:
            return answer.result(timeout_seconds)
        except FutureTimeout:
            if answer.cancel():
                raise Unavailable("the control plane did not answer in time; nothing was done") from None
        try:
            return answer.result(timeout_seconds)
        except FutureTimeout:
            raise Unavailable("the control plane did not answer in time; what was asked for is under way") from None

    def _take_in(self) -> None:
        """Run what waits; in the owning thread."""
        while not self._inbox.empty():
            self._inbox.get_nowait()()
