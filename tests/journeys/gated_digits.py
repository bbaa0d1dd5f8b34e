"""The digits' job, with gates."""

from __future__ import annotations

from examples.digits.job import build_model, datasets, to_export
from tests.journeys.gates import callbacks

__all__ = ["build_model", "callbacks", "datasets", "to_export"]
