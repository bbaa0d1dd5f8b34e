"""Asking what will be exported and the model itself the same rows, at several batch sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.export.endpoints import Endpoint, Tensors
from taxiway.types import JsonObject
from taxiway.wire.made_up import made_up
from taxiway.wire.signatures import Signature
from taxiway.wire.tensors import Array

__all__ = ["BATCH_SIZES", "MADE_UP", "Comparison", "compare"]

Request: TypeAlias = "Mapping[str, Array]"

BATCH_SIZES = (1, 3, 8)
WARM_UP, MADE_UP = "warm-up", "made up"
_WHOLE = "request"
_SMALLEST_TOLERANCE = 1e-5
_NOISE_FACTOR = 8.0
# TensorFlow's numbers of the narrow floats, and what rounding to them may explain.
_NARROW = {19: 8e-3, 14: 6e-2}


@dataclass(frozen=True)
class Comparison:
    """How far an exported signature's answers are from the model's own.

    Attributes:
        against: what was compared with: ``predict``, ``the function``, or the signature that examples are parsed for;
            empty when nothing was.
        rows: ``warm-up``, or ``made up`` from the signature.
        differences: by output and batch size, the largest difference; by ``request`` where inputs have no rows.
            Texts and truth values differ by 1 or by 0.
        not_compared: why there is no comparison; empty when there is one.
    """

    against: str = ""
    rows: str = ""
    differences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_compared: str = ""

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        return max((one for by_size in self.differences.values() for one in by_size.values()), default=0.0)

    def as_json(self) -> JsonObject:
        """For the file beside the model, and the manifest."""
        if self.not_compared:
            return {"not_compared": self.not_compared}
        return {
            "against": self.against,
            "rows": self.rows,
            "differences": {name: dict(by_size) for name, by_size in self.differences.items()},
        }


def compare(endpoint: Endpoint, requests: Sequence[Request], rows: str = WARM_UP) -> Comparison:
    """Hold what will be exported to the model.

    Asked are batches of 1, 3 and 8 rows (of the warm-up rows, again from the first one when there are fewer), then all
    warm-up rows together. How far apart answers may be is measured: it follows what the model makes of an input moved
    by one unit in the last place, so a model that amplifies rounding is not refused, and any other is held to 1e-5.

    Args:
        endpoint: what will be exported, and the model.
        requests: requests of its signature; rows are made up when there are none.
        rows: what the requests' rows are.

    Raises:
        FailedPrecondition: they differ by more.
    """
    if requests:
        batches = dict(_batches(endpoint.signature, requests))
        return Comparison(endpoint.against, rows, _differences(endpoint, batches))
    try:
        request = made_up(endpoint.signature, max(BATCH_SIZES))
        batches = dict(_batches(endpoint.signature, [request]))
        contradiction = _contradiction(endpoint, request)
    except InvalidArgument as error:
        return Comparison(not_compared=f"there are no warm-up rows, and none can be made up: {error.message}")
    except Exception as error:  # noqa: BLE001  made-up rows may be anything but what the model takes
        sentence = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        return Comparison(not_compared=f"the model does not take made-up rows: {sentence}")
    if contradiction:
        return Comparison(not_compared="the model answers the same rows differently each time")
    return Comparison(endpoint.against, MADE_UP, _differences(endpoint, batches))


def _batches(signature: Signature, requests: Sequence[Mapping[str, Array]]) -> Iterator[tuple[str, Request]]:
    if not all(spec.shape and spec.shape[0] is None for spec in signature.inputs.values()):
        names = [_WHOLE] if len(requests) == 1 else [f"{_WHOLE} {number}" for number in range(len(requests))]
        yield from zip(names, requests, strict=True)
        return
    most = max(requests, key=_rows)
    count = _rows(most)
    for size in BATCH_SIZES:
        yield str(size), {name: array[np.arange(size) % count] for name, array in most.items()}
    if count > max(BATCH_SIZES):
        yield str(count), most


def _rows(request: Mapping[str, Array]) -> int:
    return min((len(array) if array.ndim else 1 for array in request.values()), default=0)


def _differences(endpoint: Endpoint, batches: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, float]]:
    noise = _noise(endpoint, max(batches.values(), key=_rows)) if batches else {}
    narrow = _narrow(endpoint.concrete)
    found: dict[str, dict[str, float]] = {}
    for label, arrays in batches.items():
        tensors = _tensors(arrays)
        expected = _numbers((endpoint.predict or endpoint.reference)(tensors))
        exported = _numbers(endpoint.concrete(**tensors))
        for name, own in expected.items():
            allowed = max(_SMALLEST_TOLERANCE, narrow) * max(1.0, _largest(own))
            difference = _difference(own, exported[name])
            if not difference <= max(allowed, _NOISE_FACTOR * noise.get(name, 0.0)):
                rows = "" if label.startswith(_WHOLE) else f", {label} at a time"
                raise FailedPrecondition(
                    f"Output {name!r} of {endpoint.name!r}, as exported, is {difference:.3g} away from the model's own "
                    f"on the rows it was compared on{rows}.",
                    hint="Does it depend on Python state that a trace freezes, or behave otherwise inside tf.function?",
                )
            found.setdefault(name, {})[label] = difference
    return found


def _noise(endpoint: Endpoint, arrays: Mapping[str, Array]) -> dict[str, float]:
    """How far each output moves when every input moves by one unit in the last place."""
    if name := _contradiction(endpoint, arrays):
        raise FailedPrecondition(
            f"The model answers the same rows differently each time, in output {name!r} of {endpoint.name!r}, "
            "so its export cannot be compared with it.",
            hint="Fix the seeds it draws random numbers from, or leave warm_up out.",
        )
    own = _numbers(endpoint.reference(_tensors(arrays)))
    moved = _numbers(endpoint.reference(_tensors({name: _moved(array) for name, array in arrays.items()})))
    noise = {name: _difference(expected, moved[name]) for name, expected in own.items()}
    return {name: one for name, one in noise.items() if math.isfinite(one)}


def _contradiction(endpoint: Endpoint, arrays: Mapping[str, Array]) -> str:
    """The output that differs when the same is asked twice; empty when none does."""
    own, again = (_numbers(endpoint.reference(_tensors(arrays))) for _ in range(2))
    for name, expected in own.items():
        if not _difference(expected, again[name]) <= _SMALLEST_TOLERANCE * max(1.0, _largest(expected)):
            return name
    return ""


def _narrow(concrete: Any) -> float:
    """What rounding inside explains: in half precision, two ways to the same number differ early."""
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    kinds = {node.attr["T"].type for node in nodes if "T" in node.attr}
    return max((tolerance for kind, tolerance in _NARROW.items() if kind in kinds), default=0.0)


def _tensors(arrays: Mapping[str, Array]) -> Tensors:
    import tensorflow as tf

    return {name: tf.constant(array) for name, array in arrays.items()}


def _numbers(outputs: Tensors) -> dict[str, Array]:
    return {name: _wide(np.asarray(value)) for name, value in outputs.items()}


def _wide(array: Array) -> Array:
    # NumPy knows bfloat16 as an extension only, which has no arithmetic rules of its own.
    return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype.char == "e" else array


def _moved(array: Array) -> Array:
    return np.nextafter(array, np.inf, dtype=array.dtype) if array.dtype.char in "efd" else array


def _difference(one: Array, other: Array) -> float:
    """The largest difference; infinity where one has no number and the other has, or they are not alike at all."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return float("inf")
    if one.dtype.kind not in "iufc":
        return 0.0 if np.array_equal(one, other) else 1.0
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one.astype(np.complex128) - other))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def _largest(array: Array) -> float:
    if array.dtype.kind not in "fc":
        return 1.0
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))
