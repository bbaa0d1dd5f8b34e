"""Numbers at the door of a file that takes and gives whole ones: by the scale and the zero point of each tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array

__all__ = ["Scale", "scales_of"]


@dataclass(frozen=True)
class Scale:
    """How a tensor of whole numbers is read: ``number = scale * (whole - zero_point)``."""

    scale: float
    zero_point: int
    dtype: str

    def whole(self, numbers: Array) -> Array:
        """The nearest whole numbers; what is beyond the type's ends becomes its end. Whole ones of the type stay."""
        if numbers.dtype == np.dtype(self.dtype):
            return numbers
        ends = np.iinfo(self.dtype)
        found = np.rint(np.nan_to_num(numbers.astype(np.float64) / self.scale)) + self.zero_point
        whole: Array = np.clip(found, ends.min, ends.max).astype(self.dtype)
        return whole

    def numbers(self, whole: Array) -> Array:
        """What whole numbers stand for."""
        numbers: Array = ((whole.astype(np.int64) - self.zero_point) * np.float64(self.scale)).astype(np.float32)
        return numbers


def scales_of(details: Mapping[str, Any]) -> dict[str, Scale]:
    """The scales of the tensors that have one, by name.

    Args:
        details: what the runtime says of each.
    """
    found = {}
    for name, one in details.items():
        scale, zero_point = one.get("quantization", (0.0, 0))
        dtype = np.dtype(one["dtype"])
        if scale and dtype.kind in "iu":
            found[name] = Scale(float(scale), int(zero_point), dtype.name)
    return found
