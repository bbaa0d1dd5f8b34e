"""Node: the plain JavaScript backend, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from taxiway.browser.npm import Packages
from taxiway.browser.run.asking import Answered, Asked, answered_of, batches, encoded, timed
from taxiway.errors import FailedPrecondition, Unavailable

__all__ = ["Node", "find_node"]

_SCRIPT = Path(__file__).with_name("ask.mjs")
_MAX_SECONDS = 300


def find_node() -> str:
    """The command.

    Raises:
        FailedPrecondition: there is none.
    """
    found = shutil.which("node")
    if found is None:
        raise FailedPrecondition("There is no Node.", hint="Install Node.js 20 or newer.")
    return found


class Node:
    """Runs artefacts in Node.

    Args:
        packages: TensorFlow.js.
    """

    name = "node"

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._command = find_node()

    def ask(self, folder: Path, asked: Asked) -> Answered:
        """See :class:`taxiway.browser.run.asking.Runtime`."""
        request = {"backend": "cpu", "timed": timed(asked), "batches": [encoded(one) for one in batches(asked)]}
        argv = [self._command, str(_SCRIPT), str(folder.absolute()), str(self._packages.root)]
        try:
            done = subprocess.run(
                argv, input=json.dumps(request), capture_output=True, text=True, encoding="utf-8", timeout=_MAX_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"Node did not answer within {_MAX_SECONDS} s.", hint="Give fewer rows.") from None
        try:
            reply = json.loads(done.stdout)
        except ValueError:
            said = [line for line in done.stderr.splitlines() if "Error" in line] or [f"exit code {done.returncode}"]
            raise FailedPrecondition(f"Node ended: {said[0][:300]}") from None
        return answered_of([reply], "Node")
