"""A linear operation with its bias and its activation as one operation, which every backend has."""

from __future__ import annotations

from taxiway.browser.convert.nodes import Draft, Graph, Node, source

__all__ = ["fused", "reachable"]

_FUSED = {
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
}
# What the wasm and the cpu backend both compute inside the fused operation.
_ACTIVATIONS = ("Relu", "Relu6", "Elu")
_FLOAT = 1


def fused(graph: Graph) -> Graph:
    """Make BiasAdd over a linear operation, and the activation over that, part of the operation."""
    draft = Draft(graph)
    gone: dict[str, str | None] = {}
    for bias in draft.of("BiasAdd"):
        linear = draft.node(bias.input[0])
        if linear is None or linear.op not in _FUSED or linear.attr["T"].type != _FLOAT:
            continue
        if len(draft.readers(linear.name)) != 1 or not _one_number_a_channel(draft, bias.input[1]):
            continue
        readers = draft.readers(bias.name)
        last, does = bias, [b"BiasAdd"]
        if len(readers) == 1 and readers[0].op in _ACTIVATIONS:
            last, does = readers[0], [b"BiasAdd", readers[0].op.encode()]
            gone[bias.name] = None
        gone[linear.name] = None
        _become(last, linear, bias.input[1], does)
    return draft.without(gone)


def _become(last: Node, linear: Node, bias: str, does: list[bytes]) -> None:
    """Make the last node of a chain all of it."""
    name = last.name
    last.CopyFrom(linear)
    last.name, last.op = name, _FUSED[linear.op]
    last.input.append(bias)
    last.attr["fused_ops"].list.s.extend(does)
    last.attr["num_args"].i = 1


def _one_number_a_channel(draft: Draft, name: str) -> bool:
    held = draft.constant(name)
    return held is not None and held.ndim == 1


def reachable(graph: Graph, outputs: list[str], inputs: list[str]) -> Graph:
    """Drop what no output needs; inputs of the signature stay."""
    draft = Draft(graph)
    needed, ahead = set(inputs), list(outputs)
    while ahead:
        name = ahead.pop()
        if name not in needed:
            needed.add(name)
            ahead.extend(source(one) for one in draft.nodes[name].input)
    return draft.without({name: None for name in draft.nodes if name not in needed})
