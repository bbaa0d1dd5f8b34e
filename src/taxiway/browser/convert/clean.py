"""What a graph for the browser has no need of, and operations it writes another way."""

from __future__ import annotations

import numpy as np

from taxiway.browser.convert.nodes import Draft, Graph

__all__ = ["erfc_as_erf", "without_side_effects"]

# They compute nothing, or hand on what they read.
_REMOVED = ("Assert", "NoOp", "Print", "PrintV2")
_HANDED_ON = ("CheckNumerics", "EnsureShape", "PreventGradient", "Snapshot", "StopGradient")
_FLOATS = {1: np.float32, 2: np.float64, 19: np.float16}


def without_side_effects(graph: Graph) -> Graph:
    """Drop assertions and what is for training, and the order that they asked for."""
    draft = Draft(graph)
    for node in draft.graph.node:
        ordered = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(ordered)
    gone: dict[str, str | None] = {node.name: node.input[0] for node in draft.of(*_HANDED_ON)}
    return draft.without({**gone, **{node.name: None for node in draft.of(*_REMOVED)}})


def erfc_as_erf(graph: Graph) -> Graph:
    """Erfc(x) as 1 − Erf(x): TensorFlow.js has Erf only. Exact GELU is made of it."""
    draft = Draft(graph)
    for node in draft.of("Erfc"):
        number = node.attr["T"].type
        erf = draft.add(f"{node.name}/erf", "Erf", node.input, T=number)
        one = draft.add_constant(f"{node.name}/one", np.ones((), _FLOATS[number]))
        draft.change(node, "Sub", [one, erf], T=number)
    return draft.graph
