"""The end of a server's process: a signal, or somebody who says so."""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Ending"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """What SIGTERM and SIGINT set while the block lasts, which the main thread enters.

    A :class:`threading.Event` would sleep through some of them. The kernel may give a signal to a thread that begins
    another one at that moment, as TensorFlow does while it loads; Python runs handlers in the main thread alone, and
    nothing wakes that. So whichever thread gets the signal writes to a socket, which the main thread reads.

    The handlers are explicit, because the first process of a container has no default ones.

    Args:
        second_ends: a second signal raises SystemExit in the main thread.
    """

    def __init__(self, *, second_ends: bool = False) -> None:
        self._second_ends = second_ends
        self._is_set = False
        self._signals = 0
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {one: signal.signal(one, self._handle) for one in _SIGNALS}
        self._woken_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._woken_before)
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._reader.close()
        self._writer.close()

    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._is_set

    def set(self) -> None:
        """Say so, from any thread."""
        self._is_set = True
        with contextlib.suppress(OSError):  # the block is over, or more than enough was written
            self._writer.send(b"\0")

    def wait(self) -> None:
        """Wait until it is to end; for the main thread."""
        while not self._is_set:
            # A signal is told by its number.
            self._is_set = self._reader.recv(1)[0] in (0, *_SIGNALS)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._signals += 1
        self._is_set = True
        if self._signals > 1 and self._second_ends:
            raise SystemExit(128 + number)
