"""What the demo types, and what is shown of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.digits.asking import Askers
from examples.digits.story import Story

ROOT = Path(__file__).parents[2]
MODEL = "digits"
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"}
_EPOCH = re.compile(r"epoch (\d+)/\d{2,}  ")
_SHOWN = ("epoch ", "[worker 0] epoch ", "[launcher] ", "finished ", "error: ", "hint: ")


class Unhappy(Exception):
    """The story did not go as it should."""


def lines_of(story: Story, module: Sequence[str], log: Path) -> None:
    """Run a Python module and show what it says as it goes, of many epochs every fifth; Unhappy when it fails."""
    with log.open("w") as kept:
        run = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert run.stdout is not None
        for line in run.stdout:
            kept.write(line)
            epoch = _EPOCH.search(line)
            if line.startswith(_SHOWN) and (epoch is None or epoch[1] == "1" or int(epoch[1]) % 5 == 0):
                story.say(line.rstrip())
    if run.wait() != 0:
        raise Unhappy(f"{' '.join(module[:2])} ended with {run.returncode}; see {shown(log)}")


def taxiway_command(story: Story, argv: list[str], most_lines: int = 20) -> None:
    """Run a command of Taxiway and show it with the first lines of what it prints; Unhappy when it fails."""
    story.command(["taxiway", *argv])
    run = subprocess.run(
        [sys.executable, "-m", "taxiway", *argv], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=180
    )
    said = (run.stdout + run.stderr).splitlines()
    for line in said if run.returncode else said[:most_lines]:
        story.long(line)
    if run.returncode != 0:
        raise Unhappy(f"taxiway {argv[0]} ended with {run.returncode}")


def arrived(story: Story, askers: Askers, version: int, since: float) -> float:
    """The moment from which every thread is answered by a version; Unhappy when it takes a minute."""
    moment = askers.wait_for(version, 60)
    if moment is None:
        raise Unhappy(f"version {version} did not take over within a minute")
    story.good(f"version {version} answers everyone, {moment - since:.1f} s after the command was typed")
    return moment


def shown(path: Path) -> str:
    """The path as one would type it in the root of the repository."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
