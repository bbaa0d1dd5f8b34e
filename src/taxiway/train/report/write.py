"""Writes what people look at: ``curves.svg``, ``curves.png`` and ``report.html`` of a run's directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from taxiway.clock import Clock, SystemClock
from taxiway.errors import FailedPrecondition
from taxiway.train.history import Entry
from taxiway.train.record import replace_text
from taxiway.train.report import curves
from taxiway.train.report.page import page
from taxiway.train.report.watch import Part
from taxiway.train.request import read_request
from taxiway.train.runs import Run

__all__ = ["Pictures", "report"]

# While it trains, pictures take at most this part of the time.
_SHARE = 0.02
_FIRST_COST_SECONDS = 1.0


def report(run_dir: str | os.PathLike[str]) -> Path:
    """Write a run's learning curves and its report, from what stands in its directory.

    Works while the run is under way and after it failed, too. Without matplotlib the report has no curves, and says
    what to install.

    Returns:
        The path of ``report.html``.

    Raises:
        NotFound: the directory is no run.
        DataLoss: its ``run.json`` cannot be read.
    """
    read_request(run_dir)  # A directory that is no run gets no files.
    run, picture, remark = Run(Path(run_dir)), None, ""
    try:
        files = curves.draw(run.history, run.path)
        picture = files[0].read_text(encoding="utf-8") if files else None
    except FailedPrecondition as error:
        remark = f"{error.message} {error.hint}"
    replace_text(run.report_path, page(run, picture, remark))
    return run.report_path


class Pictures(Part):
    """Writes the report while a run is trained and when it ends.

    Args:
        run_dir: the run's directory.
        clock: tells how long drawing takes, and how long ago it was done.
    """

    def __init__(self, run_dir: Path, clock: Clock | None = None) -> None:
        self._run_dir, self._clock = run_dir, clock or SystemClock()
        self._written, self._cost = self._clock.monotonic(), _FIRST_COST_SECONDS

    def keep(self, history: Sequence[Entry]) -> None:
        """Write the report when enough time has passed."""
        began = self._clock.monotonic()
        if self._cost > _SHARE * (began - self._written):
            return
        report(self._run_dir)
        self._written = self._clock.monotonic()
        self._cost = self._written - began

    def close(self) -> None:
        """Write the report."""
        report(self._run_dir)
