"""One rank as a process of this machine: started on a leash, its output kept and shown, its end reported."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from taxiway.train.cluster import leash
from taxiway.train.cluster.failure import error_line

__all__ = ["RankProcess"]

MAX_LINE_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 2000
# Where there is waitid, its group is killed by then and the pipe ends with its last line.
_DRAIN_SECONDS = 15.0


class RankProcess:
    """A running rank.

    The thread that creates it must outlive it: the kernel counts a parent as dead when that thread ends.

    Args:
        command: what to run.
        environment: its whole environment.
        log: the file its output is appended to.
        echo: called with every line of output, from a thread of this object.
        ended: called once with the exit code and the last error line, from a thread of this object.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        echo: Callable[[str], None],
        ended: Callable[[int, str], None],
    ) -> None:
        self._echo, self._ended, self._error = echo, ended, ""
        with log.open("ab") as file:
            file.write(b"--- " + " ".join(command).encode() + b"\n")
        self._process = subprocess.Popen(
            # Without the site's modules it is there in milliseconds.
            [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches the launcher only, and a rank's own children can be ended with it.
            start_new_session=True,
            env=dict(environment),
        )
        reading = threading.Thread(target=self._read, args=(self._process.stdout, log), daemon=True)
        reading.start()
        threading.Thread(target=self._wait, args=(reading,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid

    def send(self, *, kill: bool) -> None:
        """Send SIGTERM, or SIGKILL, to the rank and its children."""
        if self._process.returncode is not None:
            return  # Reaped: the number may be someone else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL if kill else signal.SIGTERM)

    def _read(self, output: IO[bytes], log: Path) -> None:
        with log.open("ab", buffering=0) as file, output:
            while line := output.readline(MAX_LINE_BYTES):
                # A full disk must not stop the reading: the rank would block on its next line.
                with contextlib.suppress(OSError):
                    file.write(line)
                text = line.decode(errors="replace").rstrip("\r\n")
                self._error = (error_line(text) or self._error)[:MAX_ERROR_CHARACTERS]
                self._echo(text)

    def _wait(self, reading: threading.Thread) -> None:
        if hasattr(os, "waitid"):
            # Not reaped yet, so nobody else can have the number of its group.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.send(kill=True)
        code = self._process.wait()
        reading.join(_DRAIN_SECONDS)
        self._ended(code, self._error)
