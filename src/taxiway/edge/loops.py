"""Loops over time with a free batch, which LiteRT has not: the same signature for a fixed number of rows.

A converter takes such a loop when the sizes of what goes around in it are fixed. They are written down in three places:
at the inputs, at the loop's own variables, and at the lists that a loop reads its steps from and writes its answers to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taxiway.artifacts.graphs import freeze, save_frozen
from taxiway.wire.saved_model import SAVED_MODEL_FILE

__all__ = ["fix_batch", "has_loops", "with_batch"]

_LOOPS = ("While", "StatelessWhile")
# Where an operation on a list takes the shape of its elements.
_ELEMENT_SHAPE = {"TensorListReserve": 0, "TensorListFromTensor": 1, "TensorListStack": 1, "TensorListGetItem": 2}


def with_batch(saved_model: str, signature: str, batch: int, out: str) -> bool:
    """Save a signature for a fixed number of rows into the directory ``out``, if it loops over lists.

    Args:
        saved_model: the directory of one whose inputs have a free first size.
        signature: its name, which it keeps.
        batch: how many rows.
        out: a directory.

    Returns:
        Whether it loops; without loops nothing is written.
    """
    import tensorflow as tf

    frozen = freeze(saved_model, signature)
    graph = frozen.graph
    if not any(node.op in _LOOPS for node in graph.node) or frozen.resources:
        return False
    fix_batch(graph, batch)
    names = {one.op.name for one in frozen.inputs.values()}
    for node in graph.node:
        if node.name in names:
            node.attr["shape"].shape.dim[0].size = batch
    inputs = {key: (one.name, tf.TensorSpec([batch, *one.shape[1:]], one.dtype)) for key, one in frozen.inputs.items()}
    save_frozen(graph, inputs, frozen.outputs, signature, out)
    return True


def has_loops(saved_model: str) -> bool:
    """Whether any function of a SavedModel uses lists, as loops over time do; told without loading it."""
    content = (Path(saved_model) / SAVED_MODEL_FILE).read_bytes()
    return any(operation.encode() in content for operation in _ELEMENT_SHAPE)


def fix_batch(graph: Any, batch: int) -> None:
    """Write a number of rows wherever a loop over time says that they are free.

    A first size that is not known is taken for the batch: a loop's variables and the elements of its lists are rows.
    """
    for function in graph.library.function:
        for argument in function.arg_attr.values():
            argument.attr.pop("_output_shapes", None)
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        constants = {node.name: node for node in nodes if node.op == "Const"}
        for node in nodes:
            node.attr.pop("_output_shapes", None)
            if node.op in _LOOPS:
                for shape in node.attr["output_shapes"].list.shape:
                    if shape.dim and shape.dim[0].size == -1:
                        shape.dim[0].size = batch
            if node.op in _ELEMENT_SHAPE:
                shape_of = constants.get(node.input[_ELEMENT_SHAPE[node.op]].partition(":")[0])
                if shape_of is not None:
                    _fix_constant(shape_of.attr["value"].tensor, batch)


def _fix_constant(tensor: Any, batch: int) -> None:
    import tensorflow as tf

    sizes = tf.make_ndarray(tensor).copy()
    if sizes.ndim and sizes.size and sizes[0] == -1:
        sizes[0] = batch
        tensor.CopyFrom(tf.make_tensor_proto(sizes, dtype=sizes.dtype))
