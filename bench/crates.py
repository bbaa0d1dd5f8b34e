"""The programs of the crates that the bench runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.participants import ROOT


def built(arguments: list[str], program: str) -> Path:
    """A program of the crates, built in release mode when it is not up to date.

    Args:
        arguments: of ``cargo build``, which say what is built.
        program: where it is then, below the folder of release builds.

    Raises:
        subprocess.CalledProcessError: it did not build; cargo has said why.
    """
    cargo = ["cargo", "build", "--locked", "--release", "--quiet", *arguments]
    subprocess.run(cargo, cwd=ROOT, check=True, stdout=sys.stderr)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / program
