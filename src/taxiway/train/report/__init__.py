"""What people look at of a run: progress, TensorBoard's logs, learning curves, one page, several runs side by side."""

from __future__ import annotations

from taxiway.train.report.write import report

__all__ = ["report"]
