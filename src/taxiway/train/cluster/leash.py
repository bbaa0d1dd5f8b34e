"""Run a command that the kernel kills when the process that started it dies.

    python -I -S leash.py PARENT_PID COMMAND ARGUMENT…

A launcher that is killed with SIGKILL cannot end its ranks; a rank waiting in a collective operation would then wait
for ever. Linux only; elsewhere the command runs as it is.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # It may have died before the line above.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
