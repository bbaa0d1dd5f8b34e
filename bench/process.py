"""Server processes that the bench starts: on a core of their own, in a group of their own, stopped by their id."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

SERVER_CORE = "0"
_POLL_SECONDS = 0.005
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")


class StartFailed(Exception):
    """A server ended, or did not become ready in time."""


class Process:
    """A running server. A context manager: leaving it ends the process and its children.

    Args:
        argv: the command, already pinned to where it should run.
        log: a file for what it prints.
        environment: added to ours.
    """

    def __init__(self, argv: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.started = time.perf_counter()
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                argv,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; it is also the id of its group."""
        return self._popen.pid

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> float:
        """Ask ``ready`` until it says yes.

        Returns:
            Seconds from the start of the process.

        Raises:
            StartFailed: the process ended, or ``timeout_seconds`` passed since its start.
        """
        while True:
            if ready():
                return time.perf_counter() - self.started
            if self._popen.poll() is not None:
                raise StartFailed(f"{self._popen.args!r} exited with {self._popen.returncode}:\n{self.tail()}")
            if time.perf_counter() - self.started > timeout_seconds:
                raise StartFailed(f"{self._popen.args!r} was not ready after {timeout_seconds:.0f} s:\n{self.tail()}")
            time.sleep(_POLL_SECONDS)

    def tail(self, lines: int = 20) -> str:
        """The last lines it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def rss_mib(self) -> float:
        """Resident memory of the process in MiB, its shared pages included."""
        return rss_mib(self.pid)

    def cpu_seconds(self) -> float:
        """Processor time it has used, user and system: what a start costs, whatever else the machine does."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, drain_seconds: float = 10.0) -> int:
        """SIGTERM to the process, SIGKILL to its group when it does not end in time. Returns its exit code."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(drain_seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB, from /proc."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def mapped_mib(pid: int, folders: Sequence[str]) -> float:
    """How much of a process's resident memory belongs to mapped files below one of some folders, in MiB."""
    total, counts = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if _MAPPING.match(line):
            counts = any(folder in line for folder in folders)
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total / 1024


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
