"""How alike two answers to the same rows are: the original's and an artefact's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from taxiway.contract.bound import lower_bound
from taxiway.errors import InvalidArgument
from taxiway.types import JsonObject

__all__ = ["Agreement", "Array", "Outputs", "border_of", "compare", "outputs_with_scores"]

Array: TypeAlias = "np.ndarray[Any, Any]"

Outputs: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"
"""Answers by output name; the first dimension of each is the rows."""

_SCORE_NAMES = frozenset({"logits", "probabilities", "score", "scores"})
_SUMS_TO_ONE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """What a comparison found.

    Attributes:
        rows: how many were compared.
        agreeing: rows with the same top class, and the same whole numbers, truth values and texts, in every such
            output; None when all outputs are numbers that are no scores of classes.
        agreement: ``agreeing`` as a part of ``rows``.
        agreement_lower: what the agreement on other rows is at least, at the confidence that was asked for.
        largest_difference: of any number; infinite where one is not finite and the original's is.
        mean_difference: over all numbers that are finite.
        accuracy: the part of rows whose label was answered; None without labels.
        reference_accuracy: the original's.
        not_finite: rows in which the original is finite and the artefact is not.
        scale: the original's largest number, at least 1: what differences are small or large beside.
        row_differences: the largest difference of each row.
    """

    rows: int
    agreeing: int | None
    agreement: float | None
    agreement_lower: float | None
    largest_difference: float
    mean_difference: float
    accuracy: float | None = None
    reference_accuracy: float | None = None
    not_finite: int = 0
    scale: float = 1.0
    row_differences: Array = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)

    def as_json(self) -> JsonObject:
        """All but the rows' own differences; null for a difference that is not finite."""
        names = [name for name in self.__dataclass_fields__ if name != "row_differences"]
        values = ((name, getattr(self, name)) for name in names)
        return {name: None if isinstance(one, float) and not math.isfinite(one) else one for name, one in values}


def compare(
    reference: Outputs,
    candidate: Outputs,
    *,
    labels: Array | None = None,
    confidence: float = 0.95,
    scores: str | None = None,
) -> Agreement:
    """Hold answers to the original's.

    An output holds scores of classes when each row is a distribution (not negative, summing to 1), when it is called
    ``probabilities``, ``scores``, ``score`` or ``logits``, or when ``scores`` names it; a single number between 0 and 1
    under such a name is the second of two classes. One that ``scores`` names and that leaves 0 to 1 is a logit: the
    second class begins at 0. With labels, the only output of numbers in columns holds scores.

    Args:
        reference: what the original answers.
        candidate: what the artefact answers; outputs that the original lacks are not looked at.
        labels: the true class of each row, or one-hot.
        confidence: of ``agreement_lower``.
        scores: the output that holds scores, where it cannot be told.

    Raises:
        InvalidArgument: an output is missing or has another shape, there are no rows, or the labels do not fit.
    """
    rows = _checked(reference, candidate)
    scored = outputs_with_scores(reference, scores, labelled=labels is not None)
    discrete = [name for name, one in reference.items() if one.dtype.kind not in "fcV" and name not in scored]
    numbers = [name for name, one in reference.items() if one.dtype.kind in "fcV"]
    agreeing: int | None = None
    if scored or discrete:
        same = np.ones(rows, bool)
        for name in scored:
            at = border_of(reference[name])
            same &= _top(reference[name], at) == _top(candidate[name], at)
        for name in discrete:
            same &= _equal(reference[name], candidate[name])
        agreeing = int(same.sum())
    apart, mean, not_finite = _apart([(_wide(reference[name]), _wide(candidate[name])) for name in numbers], rows)
    known = None if labels is None else _classes(labels, rows)
    told = scored or [name for name in discrete if reference[name].size == rows]
    if known is not None and not told:
        raise InvalidArgument(
            f"Labels are given, and none of {', '.join(map(repr, reference))} holds scores of classes.",
            hint="Say which output does, or leave the labels out.",
        )
    border = border_of(reference[told[0]]) if told and told[0] in scored else None
    return Agreement(
        rows=rows,
        agreeing=agreeing,
        agreement=None if agreeing is None else agreeing / rows,
        agreement_lower=None if agreeing is None else lower_bound(agreeing, rows, confidence),
        largest_difference=float(apart.max(initial=0.0)),
        mean_difference=mean,
        accuracy=None if known is None else _accuracy(candidate[told[0]], known, border),
        reference_accuracy=None if known is None else _accuracy(reference[told[0]], known, border),
        not_finite=not_finite,
        scale=max([1.0, *(_largest(_wide(reference[name])) for name in numbers)]),
        row_differences=apart,
    )


def _checked(reference: Outputs, candidate: Outputs) -> int:
    """How many rows there are."""
    if not reference:
        raise InvalidArgument("The original answers no output, so there is nothing to compare.")
    if missing := [name for name in reference if name not in candidate]:
        raise InvalidArgument(
            f"The output {', '.join(map(repr, missing))} is missing; there are {', '.join(candidate) or 'none'}."
        )
    for name, one in reference.items():
        if one.ndim == 0:
            raise InvalidArgument(f"Output {name!r} has no rows: it is a single value.")
        if candidate[name].shape != one.shape:
            raise InvalidArgument(
                f"Output {name!r} has the shape {list(candidate[name].shape)}; the original's is {list(one.shape)}."
            )
    counts = {len(one) for one in reference.values()}
    if len(counts) != 1:
        raise InvalidArgument(f"The outputs have {', '.join(map(str, sorted(counts)))} rows; they need as many.")
    if counts == {0}:
        raise InvalidArgument("There are no rows to compare.")
    return counts.pop()


def outputs_with_scores(reference: Outputs, named: str | None = None, *, labelled: bool = False) -> list[str]:
    """The outputs that hold scores of classes, as :func:`compare` tells them."""
    if named is not None:
        if named not in reference or reference[named].ndim not in (1, 2) or reference[named].dtype.kind not in "fV":
            raise InvalidArgument(
                f"{named!r} is no output that holds scores in columns; there are {', '.join(map(repr, reference))}."
            )
        return [named]
    found = [name for name, one in reference.items() if _is_scores(name, _wide(one))]
    columns = [name for name, one in reference.items() if one.dtype.kind in "fV" and one.ndim == 2 and one.shape[1] > 1]
    return columns if not found and labelled and len(columns) == 1 else found


def _is_scores(name: str, array: Array) -> bool:
    if array.dtype.kind != "f" or array.ndim not in (1, 2):
        return False
    within = bool(np.all((array >= 0) & (array <= 1 + _SUMS_TO_ONE)))
    if array.ndim == 1 or array.shape[1] == 1:
        return name in _SCORE_NAMES and within
    return name in _SCORE_NAMES or (within and bool(np.all(np.abs(array.sum(axis=1) - 1) <= _SUMS_TO_ONE)))


def border_of(reference: Array) -> float:
    """Above what a single score is of the second of two classes: 0.5, or 0 for logits, which leave 0 to 1."""
    wide = _wide(reference)
    single = wide.ndim == 1 or (wide.ndim == 2 and wide.shape[1] == 1)
    within = (wide >= -_SUMS_TO_ONE) & (wide <= 1 + _SUMS_TO_ONE) | np.isnan(wide)
    return 0.0 if single and not within.all() else 0.5


def _top(array: Array, border: float) -> Array:
    """The top class of each row; -1 where a score is no number, so that such a row agrees with none but its like."""
    wide = _wide(array).reshape(len(array), -1)
    top: Array = (wide[:, 0] > border).astype(int) if wide.shape[1] == 1 else wide.argmax(axis=1)
    return np.where(np.isnan(wide).any(axis=1), -1, top)


def _equal(one: Array, other: Array) -> Array:
    same: Array = (one == other).reshape(len(one), -1).all(axis=1)
    return same


def _apart(pairs: list[tuple[Array, Array]], rows: int) -> tuple[Array, float, int]:
    """The largest difference of each row, the mean difference, and how many rows are not finite that should be."""
    largest, broken = np.zeros(rows), np.zeros(rows, bool)
    total, count = 0.0, 0
    for own, other in pairs:
        own, other = own.reshape(rows, -1), other.reshape(rows, -1)
        alike = (own == other) | (np.isnan(own) & np.isnan(other))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.where(alike, 0.0, np.abs(own.astype(np.complex128) - other))
        finite = np.isfinite(apart)
        total, count = total + float(apart[finite].sum()), count + int(finite.sum())
        largest = np.maximum(largest, np.where(finite, apart, np.inf).max(axis=1, initial=0.0))
        broken |= (np.isfinite(own) & ~np.isfinite(other)).any(axis=1)
    return largest, total / count if count else 0.0, int(broken.sum())


def _classes(labels: Array, rows: int) -> Array:
    known = np.asarray(labels)
    if known.ndim == 2 and known.shape[1] > 1:
        known = known.argmax(axis=1)
    if known.ndim == 0 or known.size != rows or known.dtype.kind not in "iubf":
        raise InvalidArgument(
            f"The labels have the shape {list(known.shape)} and the type {known.dtype}; "
            f"a class for each of the {rows} rows is needed."
        )
    return known.reshape(rows)


def _accuracy(answered: Array, labels: Array, border: float | None) -> float:
    told = answered.reshape(len(labels)) if border is None else _top(answered, border)
    return float((told == labels).mean())


def _wide(array: Array) -> Array:
    # NumPy knows bfloat16 as an extension only, and half precision overflows when differences are summed.
    return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype.char == "e" else array


def _largest(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))
