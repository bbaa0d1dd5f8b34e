"""Whether the process that trains a run is still there: by its id, its start and its machine's, noted in the run.

A process's id is used again after it ended, so it is held together with when the process started; and ids begin again
when a machine does, so that is noted too.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

__all__ = ["LAUNCHER", "identity", "lives", "trainer"]

# Set by a launcher for its ranks: while it lives, a rank that died starts again.
LAUNCHER = "TAXIWAY_LAUNCHER_PID"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(pid: int) -> dict[str, Any]:
    """What tells a process of this machine from every other one.

    ``started`` is in clock ticks since ``boot``; both are None where there is no ``/proc``.
    """
    return {"host": socket.gethostname(), "boot": _boot(), "pid": pid, "started": _started(pid)}


def trainer() -> dict[str, Any]:
    """The identity of what keeps this rank's run going: its launcher, or this process."""
    launcher = os.environ.get(LAUNCHER, "")
    # A launcher's variable may have been inherited by something that it did not start.
    launched = launcher.isdecimal() and int(launcher) == os.getppid()
    return identity(int(launcher) if launched else os.getpid())


def lives(noted: Any) -> bool | None:
    """Whether a process that :func:`identity` described is there; None when that cannot be told from here."""
    if not isinstance(noted, dict) or noted.get("host") != socket.gethostname():
        return None
    pid = noted.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return None
    if noted.get("boot") != _boot():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    started = _started(pid)
    # A process that nobody waited for yet has its id, and is none any more.
    return (started is not None or _boot() is None) and started == noted.get("started")


def _boot() -> str | None:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return None


def _started(pid: int) -> int | None:
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
