"""What an export must hold to: answering changes nothing, and answers are the model's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from taxiway.errors import FailedPrecondition
from taxiway.export.endpoints import Endpoint, Tensors
from taxiway.wire.tensors import Array

__all__ = ["check_answers", "check_frozen"]

_WRITERS = ("Assign", "ResourceApply", "ResourceScatter")
_SMALLEST_TOLERANCE = 1e-5
_NOISE_FACTOR = 8.0


def check_frozen(endpoint: Endpoint) -> None:
    """Refuse a function that writes variables.

    Raises:
        FailedPrecondition: it does; the message says where.
    """
    places = sorted({_place(name) for name in _writers(endpoint.concrete)})
    if places:
        raise FailedPrecondition(
            f"Answering {endpoint.name!r} would change variables, in {', '.join(places[:5])}: "
            "the model is in training mode, or it learns while it is asked.",
            hint="Call the model with training=False in the function that is exported.",
        )


def check_answers(endpoint: Endpoint, arrays: Mapping[str, Array]) -> None:
    """Hold what will be exported to the model, on real rows.

    How far apart they may be is measured: it follows what the model makes of an input moved by one unit in the last
    place, so a model that amplifies rounding is not refused, and any other is held to 1e-5.

    Raises:
        FailedPrecondition: they differ by more.
    """
    import tensorflow as tf

    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    own, again = (_numbers(endpoint.reference(tensors)) for _ in range(2))
    moved = _numbers(endpoint.reference({name: _moved(array) for name, array in arrays.items()}))
    exported = _numbers(endpoint.concrete(**tensors))
    for name, expected in own.items():
        smallest = _SMALLEST_TOLERANCE * max(1.0, _largest(expected))
        if not _difference(expected, again[name]) <= smallest:
            raise FailedPrecondition(
                f"The model answers the same rows differently each time, in output {name!r} of {endpoint.name!r}, "
                "so its export cannot be compared with it.",
                hint="Fix the seeds it draws random numbers from, or leave warm_up out.",
            )
        noise = _difference(expected, moved[name]) if expected.dtype.kind in "fc" else 0.0
        difference = _difference(expected, exported[name])
        if not difference <= max(smallest, _NOISE_FACTOR * noise):
            raise FailedPrecondition(
                f"Output {name!r} of {endpoint.name!r}, as exported, is {difference:.3g} away from the model's own "
                "on the warm-up rows.",
                hint="Does it depend on Python state that a trace freezes, or behave otherwise inside tf.function?",
            )


def _writers(concrete: Any) -> Iterator[str]:
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return (node.name for node in nodes if node.op.startswith(_WRITERS))


def _place(name: str) -> str:
    """The layer of a node: its scope without the steps that the assignment itself is made of."""
    parts = name.split("/")
    kept = [part for part in parts[:-1] if not part.startswith("Assign")]
    return "/".join(kept) or name


def _numbers(outputs: Tensors) -> dict[str, Array]:
    return {name: np.asarray(value) for name, value in outputs.items()}


def _moved(array: Array) -> Any:
    import tensorflow as tf

    return tf.constant(np.nextafter(array, np.inf, dtype=array.dtype) if array.dtype.char in "efd" else array)


def _difference(one: Array, other: Array) -> float:
    """The largest difference; infinity where one has no number and the other has, or they are not alike at all."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return float("inf")
    if one.dtype.kind not in "fc":
        return 0.0 if np.array_equal(one, other) else float("inf")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one.astype(np.complex128) - other))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def _largest(array: Array) -> float:
    if array.dtype.kind not in "fc":
        return 1.0
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))
