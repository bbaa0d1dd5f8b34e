"""A signature of a SavedModel as TensorFlow.js reads it: model.json and shards of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from taxiway.browser.convert import clean, einsum, fold, freeze, fuse
from taxiway.browser.convert.freeze import Frozen
from taxiway.browser.convert.operations import Operations
from taxiway.browser.convert.topology import as_topology
from taxiway.browser.convert.weights import Quantisation, shard
from taxiway.types import JsonObject
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["Converted", "convert", "rewritten"]


@dataclass(frozen=True)
class Converted:
    """A model for TensorFlow.js.

    Attributes:
        document: model.json.
        shards: the files of weights beside it, by name.
    """

    document: JsonObject
    shards: Mapping[str, bytes]


def convert(
    directory: Path,
    operations: Operations,
    *,
    signature: str = DEFAULT_SIGNATURE,
    weights: Quantisation = "float32",
) -> Converted:
    """Write a signature of a SavedModel as a graph model.

    Args:
        directory: the SavedModel.
        operations: what TensorFlow.js knows.
        signature: which one.
        weights: what large tensors of weights are kept as.

    Raises:
        InvalidArgument: there is no such signature, or TensorFlow cannot load the model.
        Unimplemented: TensorFlow.js cannot do what the signature does.
    """
    frozen = rewritten(freeze.freeze(directory, signature))
    operations.check(frozen.graph)
    topology, held = as_topology(frozen)
    manifest, shards = shard(held, weights)
    document = {
        "format": "graph-model",
        "generatedBy": "taxiway",
        "convertedBy": None,
        "signature": topology.pop("signature"),
        "modelTopology": topology,
        "weightsManifest": manifest,
        # Whether it must be asked asynchronously, as a graph with loops or sizes that depend on values is.
        "userDefinedMetadata": {"taxiway": {"stepwise": operations.needs_async(frozen.graph)}},
    }
    return Converted(document, shards)


def rewritten(frozen: Frozen) -> Frozen:
    """The same function, of operations that the browser's backends do fast, or at all."""
    graph = clean.erfc_as_erf(clean.without_side_effects(frozen.graph))
    frozen = freeze.optimized(replace(frozen, graph=graph), freeze.SIMPLIFY)
    graph = einsum.einsum_as_products(frozen.graph, freeze.shapes_of(frozen.graph))
    for one in (fold.added_as_bias, fold.with_norms_split, fold.with_factors_folded, fold.added_as_bias):
        graph = one(graph)
    frozen = freeze.optimized(replace(frozen, graph=graph), freeze.SIMPLIFY)
    graph = fuse.fused(clean.without_side_effects(frozen.graph))
    ends = [[spec.tensor for spec in specs.values()] for specs in (frozen.outputs, frozen.inputs)]
    return replace(frozen, graph=fuse.reachable(graph, *ends))
