"""A signature of a SavedModel as one graph without variables or function calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.browser.convert.nodes import Draft, Graph, Shapes
from taxiway.errors import InvalidArgument, TaxiwayError, Unimplemented
from taxiway.wire.saved_model import read_saved_model
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec

__all__ = ["Frozen", "freeze", "named_signature", "optimized", "shapes_of"]

# What TensorFlow's graph optimizer does before and after our passes. Left alone it also makes operations that
# TensorFlow.js does not have.
SIMPLIFY = ("constfold", "arithmetic", "dependency", "pruning", "constfold", "dependency")


@dataclass(frozen=True)
class Frozen:
    """A graph and how it is asked.

    Attributes:
        graph: a GraphDef; every output of the signature is an Identity node of its own.
        inputs: by the signature's names, the placeholder's name and what it takes.
        outputs: the same of what it gives.
    """

    graph: Graph
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def named_signature(directory: Path, name: str = DEFAULT_SIGNATURE) -> Signature:
    """The signature that a browser can be asked by.

    Raises:
        InvalidArgument: there is none of that name.
        Unimplemented: an input or output is text.
    """
    signatures = read_saved_model(directory).signatures
    if name not in signatures:
        raise InvalidArgument(f"{directory} has no signature {name!r}.", hint=f"It has {', '.join(signatures)}.")
    signature = signatures[name]
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for key, spec in specs.items():
            if spec.dtype.is_string:
                raise Unimplemented(
                    f"The {kind} {key!r} of {name!r} is text, which TensorFlow.js has no operations for.",
                    hint="Export a signature of numbers (token ids in, scores out) and name it with --signature.",
                )
    return signature


def freeze(directory: Path, name: str = DEFAULT_SIGNATURE) -> Frozen:
    """Load a SavedModel and make its signature one graph.

    Raises:
        InvalidArgument: there is no such signature, or TensorFlow cannot load the model.
        Unimplemented: it takes or gives text, or needs a table or another resource.
    """
    signature = named_signature(directory, name)
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        loaded = tf.saved_model.load(str(directory))
        function = loaded.signatures[name]
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=True, aggressive_inlining=True)
    except TaxiwayError:
        raise
    except Exception as error:  # noqa: BLE001  TensorFlow raises what it likes
        raise InvalidArgument(f"TensorFlow cannot freeze {name!r} of {directory}: {_first_line(error)}") from None
    if len(frozen.inputs) != len(signature.inputs):
        raise Unimplemented(
            f"The signature {name!r} reads a table or another resource, which a graph for the browser cannot hold.",
            hint="Export a signature without it (token ids in, scores out) and name it with --signature.",
        )
    return _named(frozen, function, signature)


def _named(frozen: Any, function: Any, signature: Signature) -> Frozen:
    draft = Draft(frozen.graph.as_graph_def())
    names = {tensor.name: key for key, tensor in zip(function._arg_keywords, function.inputs, strict=False)}
    inputs = {}
    for tensor in frozen.inputs:
        key = names.get(tensor.name, tensor.op.name)
        inputs[key] = TensorSpec(signature.inputs[key].number, signature.inputs[key].shape, tensor.op.name)
    outputs: dict[str, TensorSpec] = {}
    for key, tensor in zip(sorted(function.structured_outputs), frozen.outputs, strict=True):
        spec = signature.outputs[key]
        node = draft.add(f"output_{len(outputs)}", "Identity", [tensor.name], T=spec.number)
        outputs[key] = TensorSpec(spec.number, spec.shape, node)
    return Frozen(draft.graph, dict(sorted(inputs.items())), outputs)


def optimized(frozen: Frozen, passes: tuple[str, ...]) -> Frozen:
    """The same function with fewer operations, made by TensorFlow's graph optimizer.

    Args:
        frozen: the graph.
        passes: grappler's passes, in their order.
    """
    import tensorflow as tf
    from tensorflow.python.grappler import tf_optimizer

    config = tf.compat.v1.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.optimizers.extend(passes)
    rewrite.meta_optimizer_iterations = 1
    rewrite.min_graph_nodes = -1
    # A time limit would make what is written depend on how busy the machine is.
    rewrite.meta_optimizer_timeout_ms = -1
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(frozen.graph, name="")
    meta = tf.compat.v1.train.export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    for kind, specs in (("inputs", frozen.inputs), ("outputs", frozen.outputs)):
        for key, spec in specs.items():
            tensor = graph.get_tensor_by_name(f"{spec.tensor}:0")
            info = getattr(meta.signature_def["serve"], kind)[key]
            info.name, info.dtype = tensor.name, tensor.dtype.as_datatype_enum
            info.tensor_shape.CopyFrom(tensor.shape.as_proto())
    return Frozen(tf_optimizer.OptimizeGraph(config, meta), frozen.inputs, frozen.outputs)


def shapes_of(graph: Graph) -> Shapes:
    """What TensorFlow infers of each node's first output."""
    import tensorflow as tf

    whole = tf.Graph()
    with whole.as_default():
        tf.import_graph_def(graph, name="")
    return {
        operation.name: None if (shape := operation.outputs[0].shape).rank is None else tuple(shape.as_list())
        for operation in whole.get_operations()
        if operation.outputs
    }


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
