"""Signatures as values: what a model takes and gives, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxiway.types import JsonObject
from taxiway.wire.dtypes import DTYPES, DType, dtype_of_number
from taxiway.wire.messages import SignatureDef, TensorInfo

__all__ = ["DEFAULT_SIGNATURE", "Shape", "Signature", "TensorSpec", "shape_text", "signature_of"]

DEFAULT_SIGNATURE = "serving_default"

Shape = tuple[int | None, ...] | None
"""A size for each dimension, None where any size goes; None as a whole when the rank is not known."""

_NUMBERS = {row.number: row.name for row in DTYPES}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        number: the element type's number in TensorFlow.
        shape: what is known of it.
        tensor: its name in the graph; empty for sparse inputs, which have several.
    """

    number: int
    shape: Shape
    tensor: str = ""

    @property
    def dtype(self) -> DType:
        """The element type; InvalidArgument when no such tensor crosses the wire."""
        return dtype_of_number(self.number)

    @property
    def dtype_name(self) -> str:
        """``float32``; for types that never cross the wire their number."""
        return _NUMBERS.get(self.number, f"dtype {self.number}")

    def as_json(self) -> dict[str, Any]:
        """For manifests and ``--json``: null for an unknown rank, -1 for an unknown size."""
        shape = None if self.shape is None else [-1 if size is None else size for size in self.shape]
        return {"dtype": self.dtype_name, "shape": shape, "tensor": self.tensor}


@dataclass(frozen=True)
class Signature:
    """A way to ask a model. Names are sorted."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = ""

    def as_json(self) -> JsonObject:
        """For manifests and ``--json``."""
        return {
            "method_name": self.method_name,
            "inputs": {name: spec.as_json() for name, spec in self.inputs.items()},
            "outputs": {name: spec.as_json() for name, spec in self.outputs.items()},
        }


def signature_of(message: SignatureDef) -> Signature:
    """The value of a SignatureDef."""
    return Signature(_specs(message.inputs), _specs(message.outputs), message.method_name)


def shape_text(shape: Shape) -> str:
    """For people: ``[?, 28, 28]``, ``[]`` for a scalar, ``any`` for an unknown rank."""
    return "any" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _specs(infos: Mapping[str, TensorInfo]) -> dict[str, TensorSpec]:
    return {name: _spec(infos[name]) for name in sorted(infos)}


def _spec(info: TensorInfo) -> TensorSpec:
    known = info.tensor_shape
    shape = None if known.unknown_rank else tuple(None if dim.size < 0 else dim.size for dim in known.dim)
    return TensorSpec(info.dtype, shape, info.name)
