"""One workshop for all tests of artefacts: TensorFlow starts once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from taxiway.artifacts.workshop import Workshop


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    with Workshop() as shared:
        yield shared


@pytest.fixture
def open_workshop(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What builds files works in the one that is open already."""
    for module in ("api", "optimize"):
        monkeypatch.setattr(f"taxiway.edge.{module}.Workshop", lambda: nullcontext(workshop))
