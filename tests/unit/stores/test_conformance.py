"""Every store is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.clock import SystemClock
from taxiway.stores import Store, open_store
from taxiway.stores.memory import MemoryStore
from taxiway.testing.stores import StoreContract


class TestDirectory(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return open_store(tmp_path / "models")


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore(SystemClock())


class TestS3(StoreContract):
    @pytest.fixture
    def store(self, s3: str) -> Store:
        return open_store(s3)


class TestGcs(StoreContract):
    @pytest.fixture
    def store(self, gcs: str) -> Store:
        return open_store(gcs)
