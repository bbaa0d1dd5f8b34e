"""A job and its data → a trained model in a run directory, on one device or many."""

from __future__ import annotations

from taxiway.train.request import STRATEGIES, TrainRequest, read_request, write_request

__all__ = ["STRATEGIES", "TrainRequest", "read_request", "write_request"]
