"""Where a version comes from, as far as this process can tell."""

from __future__ import annotations

import datetime
import getpass
import os
import platform
import socket
import subprocess
from importlib import metadata
from pathlib import Path

import taxiway
from taxiway.clock import Clock
from taxiway.types import JsonObject

__all__ = ["lineage_of_now"]

_PACKAGES = ("tensorflow", "keras", "numpy")
_GIT_TIMEOUT_SECONDS = 5


def lineage_of_now(clock: Clock, directory: Path, tensorflow_version: str = "") -> JsonObject:
    """When, by whom, from which commit, and with what.

    Args:
        clock: tells when.
        directory: whose git repository is asked; what it does not know is left out.
        tensorflow_version: which TensorFlow wrote the SavedModel, when the file says so.
    """
    moment = datetime.datetime.fromtimestamp(clock.now(), datetime.timezone.utc)
    lineage: dict[str, object] = {
        "created_at": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "created_by": f"{_user()}@{socket.gethostname()}",
        "taxiway": taxiway.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        if version := _installed(package):
            lineage[package] = version
    if tensorflow_version:
        lineage["tensorflow"] = tensorflow_version
    return {**lineage, **_git(directory)}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number that has no name.
        return str(os.getuid())


def _installed(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _git(directory: Path) -> dict[str, object]:
    commit = _ask_git(directory, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {"git_commit": commit, "git_dirty": bool(_ask_git(directory, "status", "--porcelain", "-uno"))}


def _ask_git(directory: Path, *arguments: str) -> str:
    try:
        run = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
