"""What the tests of others need: fakes that keep the contract, and suites that say whether it is kept."""

from __future__ import annotations

from taxiway.testing.clock import FakeClock
from taxiway.testing.dataplane import FakeDataPlane, FakeVersion
from taxiway.testing.executor import StepExecutor
from taxiway.testing.files import write_saved_model, write_tflite

__all__ = ["FakeClock", "FakeDataPlane", "FakeVersion", "StepExecutor", "write_saved_model", "write_tflite"]
