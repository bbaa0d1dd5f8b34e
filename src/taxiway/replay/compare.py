"""Two answers to the same request, and what many such pairs come to. Nothing here asks or reads."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taxiway.wire.tensors import Array

__all__ = ["Answered", "Comparison", "Difference", "Latencies", "Summary", "difference_of"]

WORST_KEPT = 5
REASONS_KEPT, OTHER_REASONS = 20, "other reasons"
# Between two sizes of a latency that are told apart, as a difference of logarithms.
_STEP = math.log(1.01)


@dataclass(frozen=True)
class Answered:
    """What one version made of a request: outputs by name, or the error; the seconds it took; which version it was,
    and of which arm, and the request's id, as far as the server said.
    """

    outputs: Mapping[str, Array]
    error: str | None
    seconds: float
    version: int | None = None
    arm: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Difference:
    """How two answers to one request differ.

    Attributes:
        rows: rows compared.
        differing: rows in which some output is farther apart than the tolerance or, without numbers, not equal.
        flipped: rows whose largest score is another class's, in some output of scores.
        classified: whether there was such an output.
        largest: the largest difference of any number; infinite where only one of the two is a number.
        output: the output it is in.
        shape: what does not fit together at all, such as an output only one version has; empty otherwise. Then all rows
            differ, and in all of them the class is another where there are classes.
    """

    rows: int = 0
    differing: int = 0
    flipped: int = 0
    classified: bool = False
    largest: float = 0.0
    output: str = ""
    shape: str = ""


@dataclass(frozen=True)
class Summary:
    """What all pairs came to.

    Attributes:
        requests: how many were asked.
        rows: rows that both answered.
        agreeing: the fraction of those rows whose answers are the same within the tolerance; nan without any.
        same_class: the fraction with the same top class, of rows that have one; nan without any.
        largest: the largest difference, and ``output`` where.
        output: see ``largest``.
        errors: requests that a version refused, by version, with each reason and how often it was given; reasons
            after the first twenty are counted together.
        only: requests that a version alone refused, by version.
        milliseconds: p50, p95, p99 by version, to one part in a hundred.
        worst: the requests that differ most: ``{"request", "largest", "output", "what"}``.
    """

    requests: int
    rows: int
    agreeing: float
    same_class: float
    largest: float
    output: str
    errors: Mapping[int, Mapping[str, int]]
    only: Mapping[int, int]
    milliseconds: Mapping[int, Mapping[str, float]]
    worst: list[dict[str, Any]] = field(default_factory=list)

    def agreed_percent(self, version: int) -> float:
        """How much of all agrees, 0 to 100; what only ``version`` refused does not. 0 when nothing was compared.

        By the top class where answers have one, otherwise within the tolerance.
        """
        fraction = self.agreeing if math.isnan(self.same_class) else self.same_class
        if math.isnan(fraction):
            return 0.0
        return 100.0 * fraction * (1 - self.only[version] / self.requests)


def difference_of(one: Mapping[str, Array], other: Mapping[str, Array], tolerance: float) -> Difference:
    """How two answers differ.

    Args:
        one, other: outputs by name; arrays whose first dimension is the row, or scalars.
        tolerance: numbers as far apart as this, absolutely or as a part of the larger, count as the same.
    """
    if set(one) != set(other):
        missing = ", ".join(sorted(set(one) ^ set(other)))
        return _unfit(one, other, f"only one version answers {missing}")
    rows = max((_rows(array) for array in one.values()), default=0)
    differing, flipped = np.zeros(rows, bool), np.zeros(rows, bool)
    classified, largest, output = False, 0.0, ""
    for name in sorted(one):
        mine, theirs = one[name], other[name]
        if mine.shape != theirs.shape or mine.dtype.kind != theirs.dtype.kind:
            return _unfit(one, other, f"{name} is {_shape(mine)} and {_shape(theirs)}")
        apart, far = _apart(mine, theirs, tolerance)
        differing |= _by_row(apart, rows)
        if far > largest or not output:
            largest, output = far, name
        if _scores(mine):
            classified = True
            flipped |= mine.argmax(axis=1) != theirs.argmax(axis=1)
    return Difference(rows, int(differing.sum()), int(flipped.sum()), classified, largest, output)


def _unfit(one: Mapping[str, Array], other: Mapping[str, Array], shape: str) -> Difference:
    arrays = [*one.values(), *other.values()]
    rows, classified = max(map(_rows, arrays), default=0), any(map(_scores, arrays))
    return Difference(rows, rows, rows if classified else 0, classified, shape=shape)


def _scores(array: Array) -> bool:
    """Whether it may hold scores of classes."""
    return array.dtype.kind == "f" and array.ndim == 2 and array.shape[1] > 1


class Latencies:
    """Seconds, counted by how long they are to one part in a hundred: however many there are, they take little room."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[round(math.log(max(seconds, 1e-6)) / _STEP)] += 1

    def milliseconds(self, *parts: float) -> list[float]:
        """The quantiles for ``parts`` from 0 to 1; none without a count."""
        total, ordered = self._counts.total(), sorted(self._counts.items())
        found = []
        for part in parts if total else ():
            before, rank = 0, part * (total - 1)
            for step, count in ordered:
                before += count
                if before > rank:
                    found.append(math.exp(step * _STEP) * 1e3)
                    break
        return found


class Comparison:
    """Pairs of answers as they come.

    Args:
        versions: the two, in the order of each pair.
        tolerance: see :func:`difference_of`.
    """

    def __init__(self, versions: tuple[int, int], tolerance: float) -> None:
        self._versions, self._tolerance = versions, tolerance
        self._requests = self._rows = self._differing = self._flipped = self._classified = 0
        self._largest, self._output = 0.0, ""
        self._errors: dict[int, dict[str, int]] = {version: {} for version in versions}
        self._only = dict.fromkeys(versions, 0)
        self._seconds = {version: Latencies() for version in versions}
        self._worst: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, request: str, one: Answered, other: Answered) -> None:
        """Take in one pair; ``request`` names it to people."""
        self._requests += 1
        for version, answered in zip(self._versions, (one, other), strict=True):
            if answered.error is None:
                self._seconds[version].add(answered.seconds)
            else:
                reasons = self._errors[version]
                reason = answered.error if answered.error in reasons or len(reasons) < REASONS_KEPT else OTHER_REASONS
                reasons[reason] = reasons.get(reason, 0) + 1
        if one.error is not None or other.error is not None:
            if one.error is None or other.error is None:
                alone = self._versions[0 if one.error is not None else 1]
                self._only[alone] += 1
                self._keep(float("inf"), {"request": request, "what": f"version {alone}: {one.error or other.error}"})
            return
        found = difference_of(one.outputs, other.outputs, self._tolerance)
        self._rows += max(found.rows, 1)
        self._differing += found.differing if not found.shape else max(found.rows, 1)
        self._flipped += found.flipped
        self._classified += found.rows if found.classified else 0
        if found.shape:
            self._keep(float("inf"), {"request": request, "what": found.shape})
        elif found.differing:
            what = f"{found.flipped} of {found.rows} rows another class" if found.flipped else "numbers"
            self._keep(found.largest + found.flipped, {"request": request, "output": found.output, "what": what,
                                                       "largest": _finite(found.largest)})  # fmt: skip
        if found.largest > self._largest:
            self._largest, self._output = found.largest, found.output

    def summary(self) -> Summary:
        """What it came to so far."""
        worst = [one for _, _, one in sorted(self._worst, reverse=True)]
        return Summary(
            requests=self._requests,
            rows=self._rows,
            agreeing=1 - self._differing / self._rows if self._rows else float("nan"),
            same_class=1 - self._flipped / self._classified if self._classified else float("nan"),
            largest=self._largest,
            output=self._output,
            errors=self._errors,
            only=self._only,
            milliseconds={version: _percentiles(seconds) for version, seconds in self._seconds.items()},
            worst=worst,
        )

    def _keep(self, badness: float, document: dict[str, Any]) -> None:
        heapq.heappush(self._worst, (badness, -self._requests, document))
        if len(self._worst) > WORST_KEPT:
            heapq.heappop(self._worst)


def _rows(array: Array) -> int:
    return len(array) if array.ndim else 1


def _by_row(flags: Array, rows: int) -> Array:
    """Whether any element of each row is set; an output with other rows counts for all of them."""
    if flags.ndim and len(flags) == rows:
        return np.asarray(flags.reshape(rows, -1).any(axis=1))
    return np.full(rows, bool(flags.any()))


def _apart(one: Array, other: Array, tolerance: float) -> tuple[Array, float]:
    """Which elements differ, and the largest difference of numbers."""
    if one.dtype.kind not in "iufcb":
        return np.asarray(one != other, dtype=bool), 0.0
    if one.size == 0:
        return np.zeros(one.shape, bool), 0.0
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    mine, theirs = one.astype(wide), other.astype(wide)
    same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(mine - theirs))
    distance = np.nan_to_num(distance, nan=np.inf)
    size = np.maximum(np.nan_to_num(np.abs(mine)), np.nan_to_num(np.abs(theirs)))
    return np.asarray(distance > tolerance * np.maximum(1.0, size)), float(distance.max())


def _shape(array: Array) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _percentiles(seconds: Latencies) -> dict[str, float]:
    found = seconds.milliseconds(0.5, 0.95, 0.99)
    return {name: round(value, 3) for name, value in zip(("p50", "p95", "p99"), found, strict=False)}


def _finite(value: float) -> float | str:
    return value if np.isfinite(value) else "not a number"
