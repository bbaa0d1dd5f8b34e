from __future__ import annotations

import threading
from pathlib import Path

import pytest

from taxiway.wire import messages


class FixedClock:
    """Time that stands still."""

    def __init__(self, seconds: float = 1_764_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        return event.is_set()


def write_saved_model(directory: Path, content: bytes = b"weights") -> Path:
    """A SavedModel as far as anything here reads it."""
    model = messages.SavedModel(schema_version=1)
    graph = model.meta_graphs.add()
    graph.meta_info.tags.append("serve")
    graph.meta_info.tensorflow_version = "2.21.0"
    graph.graph.nodes.add(name="x", op="Placeholder")
    function = graph.graph.library.functions.add()
    function.nodes.add(name="y", op="MatMul")
    signature = graph.signature_def["serving_default"]
    signature.inputs["x"].dtype = 1
    signature.inputs["x"].tensor_shape.dim.add(size=-1)
    signature.outputs["y"].dtype = 1
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(model.SerializeToString())
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(content)
    return directory


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    return write_saved_model(tmp_path / "source")
