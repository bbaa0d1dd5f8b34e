from __future__ import annotations

from tests.unit.publish.conftest import saved_model  # noqa: F401
from tests.unit.stores.clouds import gcs, gcs_server  # noqa: F401
