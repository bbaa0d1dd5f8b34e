"""A graph as the topology of model.json, with its constants apart."""

from __future__ import annotations

from typing import Any

from taxiway.browser.convert.freeze import Frozen
from taxiway.browser.convert.nodes import constant
from taxiway.browser.convert.weights import stored
from taxiway.wire.signatures import TensorSpec
from taxiway.wire.tensors import Array

__all__ = ["as_topology"]

# TensorFlow.js computes with float32, int32 and bool; other numbers by the type that holds them there.
_FLOAT, _DOUBLE, _INT32, _INT64, _BOOL, _HALF, _BFLOAT = 1, 2, 3, 9, 10, 19, 14
_STORED = {_DOUBLE: _FLOAT, _HALF: _FLOAT, _BFLOAT: _FLOAT, _INT64: _INT32}
_STORED.update(dict.fromkeys((4, 5, 6, 17, 22, 23), _INT32))
_NAMES = {_FLOAT: "DT_FLOAT", _INT32: "DT_INT32", _BOOL: "DT_BOOL"}
# What other runtimes note on a node; the browser does not read it.
_UNREAD = ("_output_shapes", "_class", "_XlaMustCompile", "_noinline")


def as_topology(frozen: Frozen) -> tuple[dict[str, Any], dict[str, Array]]:
    """The graph for JSON with its signature, and the constants by node.

    Raises:
        Unimplemented: a constant holds what TensorFlow.js does not compute with.
    """
    from google.protobuf.json_format import MessageToDict

    graph = type(frozen.graph)()
    graph.CopyFrom(frozen.graph)
    weights = {}
    for node in graph.node:
        array = constant(node)
        if array is not None:
            weights[node.name] = stored(node.name, array)
            node.attr["value"].tensor.ClearField("tensor_content")
            for field, _ in node.attr["value"].tensor.ListFields():
                if field.name.endswith("_val"):
                    node.attr["value"].tensor.ClearField(field.name)
            node.attr["value"].tensor.dtype = _STORED.get(node.attr["dtype"].type, node.attr["dtype"].type)
        for key in _UNREAD:
            node.attr.pop(key, None)
        node.device = ""
        for attribute in node.attr.values():
            if attribute.HasField("type"):
                attribute.type = _STORED.get(attribute.type, attribute.type)
            for index, number in enumerate(attribute.list.type):
                attribute.list.type[index] = _STORED.get(number, number)
    topology = MessageToDict(graph)
    topology["versions"] = {"producer": graph.versions.producer, "minConsumer": graph.versions.min_consumer}
    topology["library"] = {}
    sides = {"inputs": frozen.inputs, "outputs": frozen.outputs}
    topology["signature"] = {side: {key: _entry(spec) for key, spec in specs.items()} for side, specs in sides.items()}
    return topology, weights


def _entry(spec: TensorSpec) -> dict[str, Any]:
    number = _STORED.get(spec.number, spec.number)
    shape = (
        {"unknownRank": True}
        if spec.shape is None
        else {"dim": [{"size": str(-1 if one is None else one)} for one in spec.shape]}
    )
    return {"name": f"{spec.tensor}:0", "dtype": _NAMES.get(number, number), "tensorShape": shape}
