"""Small graphs, and what they give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = Any


def graph_of(build: Callable[..., Any], *shapes: Sequence[int | None], dtype: str = "float32") -> Any:
    """The GraphDef of a function of tensors ``x0, x1, …``; its result is called ``result``."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(dtype, shape, f"x{index}") for index, shape in enumerate(shapes)]
        tf.identity(build(*inputs), "result")
    return graph.as_graph_def()


def ran(graph: Any, *inputs: Array, result: str = "result") -> Array:
    """What the graph gives."""
    import tensorflow as tf

    with tf.Graph().as_default() as whole:
        tf.import_graph_def(graph, name="")
        with tf.compat.v1.Session(graph=whole) as session:
            return session.run(f"{result}:0", {f"x{index}:0": one for index, one in enumerate(inputs)})


def ops(graph: Any) -> Mapping[str, int]:
    """How often each operation is there, but for constants, inputs and the result."""
    return Counter(node.op for node in graph.node if node.op not in ("Const", "Placeholder", "Identity"))


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
