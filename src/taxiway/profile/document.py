"""The profile as values, and as the JSON document that stands beside a model.

A reader refuses a newer ``schema``; keys may be added without raising it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taxiway.errors import DataLoss, Unimplemented
from taxiway.types import JsonObject
from taxiway.wire.saved_model import PROFILE_FILE, read_beside
from taxiway.wire.tensors import Array

__all__ = [
    "SCHEMA",
    "Categories",
    "Histogram",
    "Numbers",
    "Profile",
    "Scores",
    "Summary",
    "Tensor",
    "parse_profile",
    "read_profile",
]

SCHEMA = 1


@dataclass(frozen=True)
class Histogram:
    """Counts between edges. A value at an edge belongs to the bin above it, at the last edge to the last bin.

    Attributes:
        edges: one more than there are bins, rising; one bin of a single value has it twice; empty without any value.
        counts: of each bin.
        under: how many are below the first edge, minus infinity among them.
        over: how many are above the last edge.
        nan: how many are no number.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    under: int = 0
    over: int = 0
    nan: int = 0

    @classmethod
    def of(cls, values: Array, edges: Sequence[float]) -> Histogram:
        """Count numbers of any shape into bins."""
        flat = np.asarray(values, np.float64).ravel()
        nan = int(np.isnan(flat).sum())
        if not len(edges):
            return cls(nan=nan)
        low, high = edges[0], edges[-1]
        inside = flat[(flat >= low) & (flat <= high)]
        inner = np.asarray(edges[1:-1], np.float64)
        counts = np.bincount(np.searchsorted(inner, inside, "right"), minlength=len(edges) - 1)
        under, over = int((flat < low).sum()), int((flat > high).sum())
        return cls(tuple(map(float, edges)), tuple(map(int, counts)), under, over, nan)

    def as_json(self) -> JsonObject:
        """The document."""
        counted = {"under": self.under, "over": self.over, "nan": self.nan}
        return {"edges": list(self.edges), "counts": list(self.counts), **counted}


@dataclass(frozen=True)
class Numbers:
    """Numbers: bins of equal mass among the training rows. The others are of the finite values; None without any."""

    histogram: Histogram
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None

    def as_json(self) -> JsonObject:
        """The document."""
        return {"kind": "numbers", "histogram": self.histogram.as_json(), "minimum": self.minimum,
                "maximum": self.maximum, "mean": self.mean, "deviation": self.deviation}  # fmt: skip


@dataclass(frozen=True)
class Categories:
    """Texts, whole numbers of few kinds, classes.

    Attributes:
        top: how often the most frequent ones are there, the most frequent first; long texts are cut and end in ``…``.
        other: how often all the others are.
        distinct: how many different ones there are.
        lengths: of texts, in characters (bytes where they are not UTF-8).
    """

    top: Mapping[str, int]
    other: int = 0
    distinct: int = 0
    lengths: Numbers | None = None

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.top.values()) + self.other

    def as_json(self) -> JsonObject:
        """The document. ``top`` is a list of pairs, since its order says something."""
        lengths = None if self.lengths is None else self.lengths.as_json()
        pairs = [[text, count] for text, count in self.top.items()]
        return {"kind": "categories", "top": pairs, "other": self.other, "distinct": self.distinct, "lengths": lengths}


@dataclass(frozen=True)
class Tensor:
    """Many numbers a row, as images and embeddings have: all elements together, and each row's mean and deviation."""

    shape: tuple[int, ...]
    elements: Numbers
    row_means: Numbers
    row_deviations: Numbers

    def as_json(self) -> JsonObject:
        """The document."""
        parts = {"elements": self.elements, "row_means": self.row_means, "row_deviations": self.row_deviations}
        return {"kind": "tensor", "shape": list(self.shape), **{key: one.as_json() for key, one in parts.items()}}


Summary = Numbers | Categories | Tensor


@dataclass(frozen=True)
class Scores:
    """What the model answered.

    Attributes:
        output: which of its outputs.
        rows: how many rows were asked.
        of: whose rows: ``validation`` or ``training``.
        histogram: of the highest score of each row; of the number itself where there is one a row.
        predicted: how often each class, by its number, had the highest score; None where there is one number a row.
        metrics: how good the answers are where the truth is known: ``accuracy``, or ``mean_absolute_error`` and
            ``root_mean_squared_error``.
    """

    output: str
    rows: int
    of: str
    histogram: Histogram
    predicted: Categories | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """The document."""
        predicted = None if self.predicted is None else self.predicted.as_json()
        return {"output": self.output, "rows": self.rows, "of": self.of, "histogram": self.histogram.as_json(),
                "predicted": predicted, "metrics": dict(self.metrics)}  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """What a version's training rows look like.

    Attributes:
        rows: how many were looked at.
        features: by name; a column of a two-dimensional input is ``input[3]``.
        left_out: how many features were too many.
        answers: the training answers, ``answer`` where they have no name; classes, or numbers.
        scores: what the model answered; None when it was not asked.
    """

    rows: int
    features: Mapping[str, Summary]
    left_out: int = 0
    answers: Mapping[str, Summary] = field(default_factory=dict)
    scores: Scores | None = None

    def as_json(self) -> JsonObject:
        """The document."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "features": {name: one.as_json() for name, one in self.features.items()},
            "left_out": self.left_out,
            "answers": {name: one.as_json() for name, one in self.answers.items()},
            "scores": None if self.scores is None else self.scores.as_json(),
        }


def read_profile(directory: str | os.PathLike[str]) -> Profile | None:
    """The profile of the model in ``directory``; None when it has none.

    Raises:
        DataLoss: the document is not one.
        Unimplemented: a newer Taxiway wrote it.
    """
    document = read_beside(directory, PROFILE_FILE)
    return None if document is None else parse_profile(document, f"{directory}/{PROFILE_FILE}")


def parse_profile(document: JsonObject, where: str) -> Profile:
    """The profile that a document is.

    Raises:
        DataLoss: it is none.
        Unimplemented: a newer Taxiway wrote it.
    """
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise Unimplemented(f"{where} has schema {schema}; this Taxiway reads {SCHEMA}.")
    try:
        return Profile(
            rows=int(document["rows"]),
            features={name: _summary(one) for name, one in document["features"].items()},
            left_out=int(document["left_out"]),
            answers={name: _summary(one) for name, one in document["answers"].items()},
            scores=None if document["scores"] is None else _scores(document["scores"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataLoss(f"{where} is no profile: {type(error).__name__}: {error}") from None


def _summary(document: JsonObject) -> Summary:
    if document["kind"] == "numbers":
        return _numbers(document)
    if document["kind"] == "categories":
        return _categories(document)
    if document["kind"] != "tensor":
        raise ValueError(f"unknown kind {document['kind']!r}")
    parts = (_numbers(document[key]) for key in ("elements", "row_means", "row_deviations"))
    return Tensor(tuple(map(int, document["shape"])), *parts)


def _numbers(document: JsonObject) -> Numbers:
    rest = (
        None if document[key] is None else float(document[key]) for key in ("minimum", "maximum", "mean", "deviation")
    )
    return Numbers(_histogram(document["histogram"]), *rest)


def _categories(document: JsonObject) -> Categories:
    lengths = None if document["lengths"] is None else _numbers(document["lengths"])
    top = {str(text): int(count) for text, count in document["top"]}
    return Categories(top, int(document["other"]), int(document["distinct"]), lengths)


def _histogram(document: JsonObject) -> Histogram:
    counted: dict[str, Any] = {key: int(document[key]) for key in ("under", "over", "nan")}
    return Histogram(tuple(map(float, document["edges"])), tuple(map(int, document["counts"])), **counted)


def _scores(document: JsonObject) -> Scores:
    predicted = None if document["predicted"] is None else _categories(document["predicted"])
    histogram = _histogram(document["histogram"])
    metrics = {str(name): float(value) for name, value in document["metrics"].items()}
    return Scores(str(document["output"]), int(document["rows"]), str(document["of"]), histogram, predicted, metrics)
