"""A signature of a SavedModel as one graph without variables or calls, to be changed and saved again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxiway.artifacts.original import load_signature

__all__ = ["Frozen", "freeze", "save_frozen"]


@dataclass(frozen=True)
class Frozen:
    """A signature's graph.

    Attributes:
        graph: a GraphDef, with the bodies of its loops in its library.
        inputs: by the signature's names, what is given: the placeholder's tensor.
        outputs: by the signature's names, the name of the tensor that is answered.
        resources: of the placeholders that are no input, by their names, what they stand for: tables.
        function: the signature as it was loaded, which keeps all of it alive.
    """

    graph: Any
    inputs: Mapping[str, Any]
    outputs: Mapping[str, str]
    resources: Mapping[str, Any]
    function: Any


def freeze(saved_model: str, signature: str) -> Frozen:
    """Load a signature, with its variables as constants and its calls in place; loops stay loops.

    Raises:
        FailedPrecondition: the SavedModel cannot be loaded.
        NotFound: there is no such signature.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = load_signature(saved_model, signature)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    keys = dict(zip((one.name for one in function.inputs), function._arg_keywords, strict=False))
    captured = {inside.name: outside for outside, inside in function.graph.captures}
    inputs = {keys[one.name]: one for one in frozen.inputs if one.name in keys}
    resources = {one.op.name: captured[one.name] for one in frozen.inputs if one.name not in keys}
    outputs = {key: one.name for key, one in zip(sorted(function.structured_outputs), frozen.outputs, strict=True)}
    return Frozen(frozen.graph.as_graph_def(), inputs, outputs, resources, function)


def save_frozen(graph: Any, inputs: Mapping[str, Any], outputs: Mapping[str, str], signature: str, out: str) -> None:
    """Save a graph as a SavedModel with one signature.

    Args:
        graph: a GraphDef.
        inputs: by name, the tensor that is replaced and the TensorSpec of what replaces it.
        outputs: by name, the tensor.
        signature: what it is called.
        out: the directory.
    """
    import tensorflow as tf

    _rename_functions(graph)
    names = list(inputs)

    def answer(*given: Any) -> Any:
        places = {inputs[name][0]: one for name, one in zip(names, given, strict=True)}
        found = tf.import_graph_def(graph, input_map=places, return_elements=list(outputs.values()), name="")
        return dict(zip(outputs, found, strict=True))

    specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, (_, spec) in inputs.items()]
    module = tf.Module()
    module.serve = tf.function(answer, input_signature=specs)
    tf.saved_model.save(module, out, signatures={signature: module.serve})


def _rename_functions(graph: Any) -> None:
    """Functions are known by their names in the whole process, and those of the graph that was loaded are there."""
    import secrets

    new = {one.signature.name: f"{one.signature.name}_{secrets.token_hex(4)}" for one in graph.library.function}
    for function in graph.library.function:
        function.signature.name = new[function.signature.name]
    for node in nodes_of(graph):
        for value in node.attr.values():
            for named in (value.func, *value.list.func):
                if named.name in new:
                    named.name = new[named.name]


def nodes_of(graph: Any) -> list[Any]:
    """All nodes, those of the library's functions too."""
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
