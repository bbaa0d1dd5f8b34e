"""Refuses a tracked file that names a package registry's host.

    python tools/hosts.py

Where packages come from is the reader's business: a mirror, a proxy, a folder. Lock files and pins hold versions and
digests only. (`Cargo.lock` names the registry by cargo's own identifier, which cargo maps to any mirror.)
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Spelled in two halves, so that this file does not name them either.
HOSTS = re.compile(rb"\b(py" rb"pi\.org|python" rb"hosted\.|(static|index)\.crates\.|registry\.npm" rb"js\.)")
ALLOWED = {"Cargo.lock", "fuzz/Cargo.lock"}


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = 0
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if name in ALLOWED or not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if HOSTS.search(line):
                found += 1
                print(f"{name}:{number}: names a package registry's host")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
