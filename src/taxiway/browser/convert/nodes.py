"""What the passes share: a GraphDef that is being changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from taxiway.wire.messages import TensorProto
from taxiway.wire.tensors import Array, array_of, tensor_of

__all__ = ["Draft", "Graph", "Node", "Shapes", "constant", "source"]

Graph: TypeAlias = Any
"""A tensorflow.GraphDef."""

Node: TypeAlias = Any
"""A tensorflow.NodeDef."""

Shapes: TypeAlias = Mapping[str, "tuple[int | None, ...] | None"]
"""By node, the shape of its first output: None for a size that is not known, None as a whole for an unknown rank."""


def source(name: str) -> str:
    """The node that an input is read from: ``a`` of ``a``, ``a:1`` and ``^a``."""
    return name.removeprefix("^").partition(":")[0]


def constant(node: Node | None) -> Array | None:
    """What a Const node holds; None when it is no such node."""
    if node is None or node.op != "Const":
        return None
    return array_of(TensorProto.FromString(node.attr["value"].tensor.SerializeToString()))


class Draft:
    """A copy of a graph, to be changed.

    Args:
        graph: what it begins as; it stays as it is.

    Attributes:
        graph: the copy.
        nodes: its nodes by name.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = type(graph)()
        self.graph.CopyFrom(graph)
        self.nodes: dict[str, Node] = {node.name: node for node in self.graph.node}

    def of(self, *ops: str) -> list[Node]:
        """The nodes of some operations, as they are at this moment."""
        return [node for node in self.graph.node if node.op in ops]

    def node(self, name: str) -> Node | None:
        """The node whose first output is read there; None for another output, or the order of things."""
        return None if name.startswith("^") or ":" in name.removesuffix(":0") else self.nodes.get(source(name))

    def constant(self, name: str) -> Array | None:
        """The constant that is read there, if it is one."""
        return constant(self.node(name))

    def readers(self, name: str) -> list[Node]:
        """The nodes that read an output of a node, once for each time they do."""
        return [node for node in self.graph.node for one in node.input if source(one) == name]

    def add_constant(self, wish: str, array: Array) -> str:
        """Add a constant; its name."""
        node = self._new(wish, "Const")
        tensor = tensor_of(np.asarray(array))
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.ParseFromString(tensor.SerializeToString())
        return str(node.name)

    def add(self, wish: str, op: str, inputs: Iterable[str], **attributes: int | bool) -> str:
        """Add a node; its name.

        Args:
            wish: its name, when that is free.
            op: what it does.
            inputs: what it reads.
            attributes: dtypes by their numbers, and truth values.
        """
        return str(self.change(self._new(wish, op), op, inputs, **attributes).name)

    def change(self, node: Node, op: str, inputs: Iterable[str], **attributes: int | bool) -> Node:
        """Make a node another operation, under its name; the node."""
        inputs, name = list(inputs), node.name
        node.Clear()
        node.name, node.op = name, op
        node.input.extend(inputs)
        for key, value in attributes.items():
            if isinstance(value, bool):
                node.attr[key].b = value
            else:
                node.attr[key].type = value
        return node

    def without(self, gone: Mapping[str, str | None]) -> Graph:
        """The graph without some nodes.

        Args:
            gone: the nodes, and what those who read them read instead; None where nothing may.
        """
        kept = [node for node in self.graph.node if node.name not in gone]
        for node in kept:
            for index, name in enumerate(node.input):
                while (instead := gone.get(source(name))) is not None:
                    name = instead
                node.input[index] = name
        graph = type(self.graph)()
        graph.versions.CopyFrom(self.graph.versions)
        graph.library.CopyFrom(self.graph.library)
        graph.node.extend(kept)
        return graph

    def _new(self, wish: str, op: str) -> Node:
        name, number = wish, 0
        while name in self.nodes:
            number += 1
            name = f"{wish}_{number}"
        self.nodes[name] = node = self.graph.node.add(name=name, op=op)
        return node
