"""Which settings serve a model best: real servers tried on real requests, one after another."""

from __future__ import annotations

from taxiway.tune_serving.api import tune_serving
from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.report import TunedServing
from taxiway.tune_serving.search import Target, Trial

__all__ = ["Candidate", "Target", "Trial", "TunedServing", "tune_serving"]
