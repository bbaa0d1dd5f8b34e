"""What TensorFlow runs on: devices, threads, memory, precision, set up once before anything else."""

from __future__ import annotations

from taxiway.train.devices.configure import (
    Device,
    RuntimeReport,
    configure_runtime,
    current_runtime,
    physical_devices,
)
from taxiway.train.devices.requested import apply_runtime, checked_runtime
from taxiway.train.devices.settings import RuntimeSettings, check_devices, read_assignments, read_settings

__all__ = [
    "Device",
    "RuntimeReport",
    "RuntimeSettings",
    "apply_runtime",
    "check_devices",
    "checked_runtime",
    "configure_runtime",
    "current_runtime",
    "physical_devices",
    "read_assignments",
    "read_settings",
]
