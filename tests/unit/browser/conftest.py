"""TensorFlow.js, where it is installed."""

from __future__ import annotations

import pytest

from taxiway.browser import npm
from taxiway.errors import FailedPrecondition


@pytest.fixture(scope="session")
def packages() -> npm.Packages:
    """What `taxiway browser install` installed; `make setup` does."""
    try:
        return npm.find()
    except FailedPrecondition as error:
        pytest.skip(f"{error.message} {error.hint}")
