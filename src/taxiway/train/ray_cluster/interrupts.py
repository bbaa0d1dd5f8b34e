"""Ctrl-C and SIGTERM as an event, so that what runs elsewhere is ended before the error goes on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

__all__ = ["interrupts"]


@contextlib.contextmanager
def interrupts() -> Iterator[threading.Event]:
    """The event that both signals set inside of the block, where signals can be handled: in the main thread."""
    come = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield come
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: come.set()) for number in numbers}
    try:
        yield come
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
