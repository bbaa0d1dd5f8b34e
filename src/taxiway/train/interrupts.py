"""Ctrl-C and SIGTERM as an event, so that what was started is ended before the error goes on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

__all__ = ["interrupts", "told_of_interrupts"]


@contextlib.contextmanager
def told_of_interrupts(tell: Callable[[], object]) -> Iterator[None]:
    """Call ``tell`` for each of both signals inside of the block, where signals can be handled: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: tell()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupts() -> Iterator[threading.Event]:
    """The event that both signals set inside of the block."""
    come = threading.Event()
    with told_of_interrupts(come.set):
        yield come
