"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Before any import of TensorFlow: its chatter would bury the reason of a failure, and no test is about a GPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# How long an example takes to make or to try says what else the machine does, and nothing of what is tested.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of TensorFlow the time that its import alone takes on a busy machine."""
    for item in items:
        if item.get_closest_marker("tensorflow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))
