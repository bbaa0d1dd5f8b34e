from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.serve.tflite_file import is_whole
from taxiway.testing import write_tflite

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")


def text_of(model: object) -> bytes:
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")  # type: ignore[attr-defined]
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def doubling() -> bytes:
    """A file as the converter writes it: an input and an output, one operation, weights, a signature, metadata."""
    tensors = []
    for number, name in enumerate((b"x", b"two", b"y")):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, [1], number
        tensors.append(tensor)
    weights, code, operator, graph = schema.BufferT(), schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT()
    weights.data = list(struct.pack("<f", 2.0))
    operator.inputs, operator.outputs = [0, 1], [2]
    graph.tensors, graph.inputs, graph.outputs, graph.operators, graph.name = tensors, [0], [2], [operator], b"main"
    signature = schema.SignatureDefT()
    signature.inputs, signature.outputs, signature.signatureKey = [], [], b"serving_default"
    for name, index, maps in ((b"x", 0, signature.inputs), (b"y", 2, signature.outputs)):
        one = schema.TensorMapT()
        one.name, one.tensorIndex = name, index
        maps.append(one)
    metadata, model = schema.MetadataT(), schema.ModelT()
    metadata.name, metadata.buffer = b"about", 1
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers, model.signatureDefs, model.metadata = (
        [schema.BufferT(), weights, schema.BufferT()],
        [signature],
        [metadata],
    )
    return text_of(model)


def whole(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    return is_whole(path)


def test_a_whole_file_is_whole_and_one_cut_anywhere_is_not(tmp_path: Path, doubling: bytes) -> None:
    file = tmp_path / "model.tflite"
    assert whole(file, doubling)
    assert [length for length in range(len(doubling)) if whole(file, doubling[:length])] == []


def test_a_file_without_a_graph_is_none(tmp_path: Path) -> None:
    assert not whole(tmp_path / "model.tflite", text_of(schema.ModelT()))
    assert not whole(tmp_path / "model.tflite", b"")


def test_weights_behind_the_graph_must_be_there(tmp_path: Path, doubling: bytes) -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(doubling, 0))
    model.buffers[1].data, model.buffers[1].offset, model.buffers[1].size = None, 4096, 4
    large = text_of(model).ljust(4096, b"\0") + struct.pack("<f", 2.0)
    assert whole(tmp_path / "model.tflite", large)
    assert not whole(tmp_path / "model.tflite", large[:-1])


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_spoilt_file_is_walked_to_an_end(
    tmp_path_factory: pytest.TempPathFactory, doubling: bytes, seed: int
) -> None:
    spoilt, chance = bytearray(doubling), random.Random(seed)
    for _ in range(chance.randint(1, 8)):
        spoilt[chance.randrange(8, len(spoilt))] = chance.randrange(256)
    assert whole(tmp_path_factory.mktemp("spoilt") / "model.tflite", bytes(spoilt)) in (True, False)


def test_the_file_that_tests_use_has_a_graph(tmp_path: Path) -> None:
    file = write_tflite(tmp_path) / "model.tflite"
    assert is_whole(file)
    assert schema.Model.GetRootAsModel(file.read_bytes(), 0).SubgraphsLength() == 1
