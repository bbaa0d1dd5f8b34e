"""One workshop for all tests of artefacts: TensorFlow starts once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taxiway.artifacts.workshop import Workshop


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    with Workshop() as shared:
        yield shared
