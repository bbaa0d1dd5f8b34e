from __future__ import annotations

import pytest

from tests.unit.publish.conftest import saved_model  # noqa: F401
from tests.unit.stores.clouds import gcs, gcs_server  # noqa: F401
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def patient_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each look wait for what the store says, however busy the machine is."""
    monkeypatch.setattr("taxiway.serve.cloud._ANSWER_SECONDS", PATIENCE_SECONDS)
