"""Factors and offsets after a convolution become part of its weights and its bias."""

from __future__ import annotations

import numpy as np

from taxiway.browser.convert.nodes import Draft, Graph, Node
from taxiway.wire.tensors import Array

__all__ = ["added_as_bias", "with_factors_folded", "with_norms_split"]

_RANKS = {"Conv2D": 4, "DepthwiseConv2dNative": 4, "MatMul": 2}
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def with_norms_split(graph: Graph) -> Graph:
    """A batch norm of constants over a linear operation as a factor and an offset, which can be folded."""
    draft = Draft(graph)
    for node in draft.of(*_NORMS):
        linear = _linear(draft, node.input[0])
        constants = [draft.constant(name) for name in node.input[1:5]]
        if node.attr["is_training"].b or linear is None or not _channels_last(node) or _others_read(draft, node):
            continue
        if any(one is None for one in constants):
            continue
        scale, offset, mean, variance = (np.asarray(one, np.float64) for one in constants)
        factor = scale / np.sqrt(variance + node.attr["epsilon"].f)
        dtype, number = np.asarray(constants[0]).dtype, node.attr["T"].type
        held = draft.add_constant(f"{node.name}/factor", factor.astype(dtype))
        scaled = draft.add(f"{node.name}/scaled", "Mul", [node.input[0], held], T=number)
        shift = draft.add_constant(f"{node.name}/shift", (offset - mean * factor).astype(dtype))
        draft.change(node, "BiasAdd", [scaled, shift], T=number)
    return draft.graph


def with_factors_folded(graph: Graph) -> Graph:
    """A product with one number a channel, over a linear operation or its bias, becomes part of the weights."""
    draft = Draft(graph)
    gone: dict[str, str | None] = {}
    for node in draft.of("Mul"):
        for one, other in ((0, 1), (1, 0)):
            factor, over = draft.constant(node.input[other]), draft.node(node.input[one])
            if factor is not None and over is not None and _fold(draft, over, factor):
                gone[node.name] = node.input[one]
                break
    return draft.without(gone)


def added_as_bias(graph: Graph) -> Graph:
    """A sum with one constant number a channel, over a linear operation, as BiasAdd: the form that fuses."""
    draft = Draft(graph)
    for node in draft.of("Add", "AddV2"):
        for one, other in ((0, 1), (1, 0)):
            linear, offset = draft.node(node.input[one]), draft.constant(node.input[other])
            if linear is None or linear.op not in _RANKS or offset is None or not _channels_last(linear):
                continue
            held = draft.constant(linear.input[1])
            row = None if held is None else _row(offset, linear, held)
            if row is not None:
                bias = draft.add_constant(f"{node.name}/bias", row)
                draft.change(node, "BiasAdd", [node.input[one], bias], T=node.attr["T"].type)
                break
    return draft.graph


def _linear(draft: Draft, name: str) -> Node | None:
    """The linear operation that is read, also through its bias."""
    node = draft.node(name)
    if node is not None and node.op == "BiasAdd":
        node = draft.node(node.input[0])
    return node if node is not None and node.op in _RANKS else None


def _others_read(draft: Draft, norm: Node) -> bool:
    """Whether a batch norm's statistics are read, not only what it gives."""
    return any(name.startswith(f"{norm.name}:") for reader in draft.readers(norm.name) for name in reader.input)


def _fold(draft: Draft, node: Node, factor: Array) -> bool:
    """Multiply what a linear operation, or its bias, gives by changing its constants; whether that could be done."""
    linear = _linear(draft, node.name)
    if linear is None or not _channels_last(linear):
        return False
    if any(len(draft.readers(one.name)) != 1 for one in (node, linear)):
        return False
    held = draft.constant(linear.input[1])
    row = None if held is None else _row(factor, linear, held)
    bias = None if node is linear else draft.constant(node.input[1])
    if held is None or row is None or (node is not linear and bias is None):
        return False
    linear.input[1] = draft.add_constant(f"{linear.name}/folded", _scaled(linear, held, row))
    if bias is not None:
        node.input[1] = draft.add_constant(f"{node.name}/folded", (bias.astype(np.float64) * row).astype(bias.dtype))
    return True


def _scaled(linear: Node, held: Array, row: Array) -> Array:
    if linear.op == "DepthwiseConv2dNative":
        row = row.reshape(held.shape[2:])
    elif _transposed(linear):
        row = row[:, None]
    return (held.astype(np.float64) * row).astype(held.dtype)


def _row(array: Array, linear: Node, held: Array) -> Array | None:
    """One number a channel, when that is what is added to or multiplied with a linear operation; else None."""
    if linear.op == "DepthwiseConv2dNative":
        channels = held.shape[2] * held.shape[3]
    else:
        channels = held.shape[0] if _transposed(linear) else held.shape[-1]
    if array.ndim > _RANKS[linear.op]:
        return None
    if array.size == 1:
        return np.full(channels, array.reshape(()))
    return array.reshape(channels) if array.shape[-1] == channels == array.size else None


def _transposed(linear: Node) -> bool:
    # Looking at an attribute that is not there would put it there.
    return "transpose_b" in linear.attr and bool(linear.attr["transpose_b"].b)


def _channels_last(node: Node) -> bool:
    return "data_format" not in node.attr or node.attr["data_format"].s in (b"", b"NHWC")
