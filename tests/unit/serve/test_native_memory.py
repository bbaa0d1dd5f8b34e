"""What the compiled data plane takes of the machine's memory before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("taxiway._server", reason="the extension is not built: make setup")

# "hg" among a mapping's flags: its owner asked the kernel for huge pages.
ASKED = """
import taxiway._server
taxiway._server.libraries()
with open("/proc/self/smaps") as file:
    print(sum("hg" in line.split() for line in file if line.startswith("VmFlags:")))
"""


def test_no_huge_pages_are_asked_for_of_which_a_server_would_use_a_tenth() -> None:
    run = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "0\n"
