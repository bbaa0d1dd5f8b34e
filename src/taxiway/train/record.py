"""What stands in a run directory beside the checkpoints, and how it is written.

job.json  run.json  metrics.jsonl  checkpoints/  model/  tensorboard/  curves.svg  curves.png  report.html
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import taxiway
from taxiway.errors import DataLoss
from taxiway.train.job import Job
from taxiway.types import JsonObject

__all__ = [
    "METRICS_FILE",
    "RUN_FILE",
    "code_version",
    "environment",
    "read_record",
    "replace_text",
    "timestamp",
    "write_metrics",
    "write_record",
]

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy")


def timestamp(seconds: float | None = None) -> str:
    """The time, or one in seconds of the epoch, in UTC, as ``2026-11-21T10:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def read_record(run_dir: Path) -> dict[str, Any]:
    """``run.json``; empty before the training began.

    Raises:
        DataLoss: it is not JSON.
    """
    try:
        document: dict[str, Any] = json.loads((run_dir / RUN_FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataLoss(f"{run_dir / RUN_FILE} is not JSON: {error}.") from None
    return document


def write_record(run_dir: Path, document: JsonObject) -> None:
    """Replace ``run.json``, wholly or not at all."""
    replace_text(run_dir / RUN_FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_metrics(run_dir: Path, history: Sequence[JsonObject]) -> None:
    """Replace ``metrics.jsonl``: one line an epoch."""
    replace_text(run_dir / METRICS_FILE, "".join(json.dumps(one) + "\n" for one in history))


def replace_text(path: Path, text: str) -> None:
    """Replace a file, wholly or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def environment() -> dict[str, Any]:
    """Where this trains: versions, system, machine."""
    versions = {"taxiway": taxiway.__version__}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": versions,
        "system": platform.platform(),
        "host": socket.gethostname(),
        "cpus": os.cpu_count(),
    }


def code_version(job: Job) -> dict[str, Any]:
    """The job's git commit, whether files differ from it, and the SHA-256 of the job's file."""
    if job.source is None:
        return {}
    found: dict[str, Any] = {"source": job.source.name, "sha256": hashlib.sha256(job.source.read_bytes()).hexdigest()}
    commit = _git(job.source.parent, "rev-parse", "HEAD")
    if commit:
        found["git_commit"] = commit
        found["changed"] = bool(_git(job.source.parent, "status", "--porcelain", "--untracked-files=no"))
    return found


def _git(where: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
