"""Which weights are pruned: how many at a step, and which. Pure; arrays are numpy's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.wire.tensors import Array

__all__ = ["Pattern", "Schedule", "magnitude_mask", "parse_pattern", "pattern_mask"]


@dataclass(frozen=True)
class Schedule:
    """The part of the weights that is zero at each step: a cubic from 0, steep first, flat at its end.

    Source: Zhu and Gupta, "To prune, or not to prune", 2017, equation 1.

    Attributes:
        sparsity: where it ends, above 0 and below 1.
        begin: the step at which pruning begins.
        end: the step from which the masks stay.
    """

    sparsity: float
    begin: int
    end: int

    def __post_init__(self) -> None:
        if not 0 < self.sparsity < 1:
            raise InvalidArgument(f"{self.sparsity} is no sparsity.", hint="Above 0 and below 1: 0.8 keeps a fifth.")
        if not 0 <= self.begin <= self.end:
            raise InvalidArgument(f"Pruning cannot go from step {self.begin} to {self.end}.")

    def at(self, step: int) -> float:
        """The sparsity at a step."""
        if step < self.begin:
            return 0.0
        if step >= self.end:
            return self.sparsity
        left = 1 - (step - self.begin) / (self.end - self.begin)
        return float(self.sparsity * (1 - left**3))


@dataclass(frozen=True)
class Pattern:
    """``kept`` weights stay of every ``of`` that follow each other along the inputs of a unit."""

    kept: int
    of: int

    @property
    def sparsity(self) -> float:
        """The part that is zero."""
        return 1 - self.kept / self.of


def parse_pattern(text: str) -> Pattern:
    """``2:4``: two stay of every four.

    Raises:
        InvalidArgument: it is none.
    """
    parts = re.fullmatch(r"(\d{1,3}):(\d{1,3})", text.strip())
    pattern = Pattern(int(parts[1]), int(parts[2])) if parts else Pattern(0, 0)
    if not 0 < pattern.kept < pattern.of:
        raise InvalidArgument(f"{text!r} is no pattern.", hint="2:4 keeps two of every four weights.")
    return pattern


def magnitude_mask(weights: Array, sparsity: float) -> Array:
    """1 for the weights that stay, 0 for the part ``sparsity`` of them that is closest to zero, also among equals."""
    gone = round(weights.size * sparsity)
    mask: Array = np.ones(weights.shape, weights.dtype)
    mask.flat[np.argsort(np.abs(weights), axis=None, kind="stable")[:gone]] = 0
    return mask


def pattern_mask(weights: Array, pattern: Pattern, sparsity: float) -> Array:
    """As :func:`magnitude_mask`, group by group along the last but one axis, the inputs of a unit in Keras's kernels.

    Args:
        weights: two dimensions or more.
        pattern: how many stay of a group at the end; of a last group that is not full, the like.
        sparsity: of the moment: more stay while it is below the pattern's own.
    """
    rows = np.moveaxis(np.abs(weights), -2, -1)
    mask = np.ones(rows.shape, weights.dtype)
    for start in range(0, rows.shape[-1], pattern.of):
        group = rows[..., start : start + pattern.of]
        size = group.shape[-1]
        stay = max(ceil(size * pattern.kept / pattern.of), ceil(size * (1 - sparsity) - 1e-9))
        order = np.argsort(group, axis=-1, kind="stable")
        np.put_along_axis(mask[..., start : start + pattern.of], order[..., : size - stay], 0, axis=-1)
    return np.moveaxis(mask, -1, -2)
