"""What a figure depends on: the machine, the versions, the pinning, the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from bench.load import LOAD_CORE
from bench.process import SERVER_CORE

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("tensorflow-cpu", "tensorflow", "ai-edge-litert", "numpy", "grpcio")


def environment() -> dict[str, str]:
    """The stamp of a run, in words."""
    pinning = f"server on core {SERVER_CORE}, load on core {LOAD_CORE}" if (os.cpu_count() or 1) > 1 else "one core"
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _output(["git", "-C", str(_ROOT), "describe", "--always", "--dirty"]),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load average before": load_average(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": ", ".join(_packages()),
        "rustc": _output(["rustc", "--version"]),
        "wrk": _first_line(["wrk", "-v"]),
        "h2load": _first_line(["h2load", "--version"]),
        "pinning": pinning,
    }


def load_average() -> str:
    """How busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def _cpu() -> str:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor()


def _packages() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _output(argv: list[str]) -> str:
    """What a program prints; empty when it is missing."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.strip()
    except OSError:
        return ""


def _first_line(argv: list[str]) -> str:
    return _output(argv).partition("\n")[0].partition(" Copyright")[0]
