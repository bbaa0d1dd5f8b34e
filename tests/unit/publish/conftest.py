from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.testing.clock import FakeClock
from taxiway.wire import messages


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
def clock() -> FakeClock:
    return FakeClock(1_764_000_000.0)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    return write_saved_model(tmp_path / "source")
