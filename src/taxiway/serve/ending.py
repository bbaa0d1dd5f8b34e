"""The end of a server's process: a signal, or somebody who says so."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Ending", "leave"]

T = TypeVar("T")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def leave(code: int) -> None:
    """End the process now, without the destructors of libraries that other threads may be in the middle of."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Ending:
    """What SIGTERM and SIGINT set while the block lasts, which the main thread enters.

    A :class:`threading.Event` would sleep through some of them. The kernel may give a signal to a thread that begins
    another one at that moment, as TensorFlow does while it loads; Python runs handlers in the main thread alone, and
    nothing wakes that. So whichever thread gets the signal writes to a socket, which the main thread reads.

    The handlers are explicit, because the first process of a container has no default ones.

    Args:
        second_ends: a second signal ends the process at once, with 128 and its number.
    """

    def __init__(self, *, second_ends: bool = False) -> None:
        self._second_ends = second_ends
        self._is_set = False
        self._signals = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._reader, self._writer = map(stack.enter_context, socket.socketpair())
            self._writer.setblocking(False)
            for one in _SIGNALS:
                before = signal.signal(one, self._handle)
                # None stands for a handler that Python did not set and cannot put back.
                stack.callback(signal.signal, one, signal.SIG_DFL if before is None else before)
            woken = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            stack.callback(signal.set_wakeup_fd, woken)
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._is_set

    def set(self) -> None:
        """Say so, from any thread, once the block was entered."""
        self._is_set = True
        self._wake()

    def wait(self) -> None:
        """Wait until it is to end; for the main thread."""
        while not self._is_set:
            # A signal is told by its number.
            if self._reader.recv(1)[0] in (0, *_SIGNALS):
                self._is_set = True

    def run(self, call: Callable[[], T]) -> T:
        """Call it on another thread, so that the main one, which this is for, sees signals meanwhile."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised in the main thread
                future.set_exception(error)
            self._wake()

        threading.Thread(target=work, name="taxiway-end", daemon=True).start()
        while not future.done():
            self._reader.recv(1)
        return future.result()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the block is over, or more than enough was written
            self._writer.send(b"\0")

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._signals += 1
        self._is_set = True
        if self._signals > 1 and self._second_ends:
            leave(128 + number)
