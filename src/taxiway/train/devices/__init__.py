"""What TensorFlow runs on: devices, threads, memory, precision, set up once before anything else."""

from __future__ import annotations

from taxiway.train.devices.configure import Device, RuntimeReport, configure_runtime, physical_devices
from taxiway.train.devices.settings import RuntimeSettings, check_devices, read_settings

__all__ = [
    "Device",
    "RuntimeReport",
    "RuntimeSettings",
    "check_devices",
    "configure_runtime",
    "physical_devices",
    "read_settings",
]
