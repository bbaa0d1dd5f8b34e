"""A job and its data → a trained model in a run directory, on one device or many."""

from __future__ import annotations

from taxiway.train.api import train
from taxiway.train.context import Context
from taxiway.train.report import report
from taxiway.train.request import STRATEGIES, TrainRequest, read_request, write_request
from taxiway.train.runs import Run

__all__ = ["STRATEGIES", "Context", "Run", "TrainRequest", "read_request", "report", "train", "write_request"]
