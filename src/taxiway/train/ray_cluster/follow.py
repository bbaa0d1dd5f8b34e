"""What ranks on other machines print, read from their logs in the shared run directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["Follower"]

MAX_PART_BYTES = 64 * 1024


class Follower:
    """Shows the lines that are added to logs from now on.

    Args:
        logs: the files, by the names of their ranks; one need not be there yet.
        show: called with ``[worker 1] line``.
    """

    def __init__(self, logs: dict[str, Path], show: Callable[[str], None]) -> None:
        self._logs, self._show = logs, show
        self._read = {name: _size(path) for name, path in logs.items()}
        self._part = dict.fromkeys(logs, b"")

    def look(self) -> None:
        """Show whole lines that are new."""
        for name, path in self._logs.items():
            try:
                with path.open("rb") as file:
                    file.seek(self._read[name])
                    new = file.read()
            except FileNotFoundError:
                continue
            self._read[name] += len(new)
            *lines, part = (self._part[name] + new).split(b"\n")
            if len(part) > MAX_PART_BYTES:
                lines, part = [*lines, part], b""
            self._part[name] = part
            for line in lines:
                self._show(f"[{name}] {line.decode(errors='replace').rstrip()}")

    def finish(self) -> None:
        """Show what is left, ended or not."""
        self.look()
        for name, part in self._part.items():
            if part:
                self._show(f"[{name}] {part.decode(errors='replace').rstrip()}")
                self._part[name] = b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
