"""Answers that are not the same bytes: the same numbers in another order, nearly the same, or something else. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from taxiway.load.generator import Different
from taxiway.wire import messages
from taxiway.wire.recording import METHODS
from taxiway.wire.tensors import array_of

__all__ = ["Equality", "judge"]

# What the order of additions in a batch may change in a float.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6
_ANSWERS = dict(METHODS.values())


@dataclass(frozen=True)
class Equality:
    """How answers compare with the first answer to the same request.

    Attributes:
        requests: how many requests had an answer that was not the same bytes.
        close: answers whose numbers differ by rounding; their largest difference is ``largest``.
        different: answers that say something else, those that were not kept to be looked at among them.
        largest: see ``close``.
        versions: the versions that gave the answers that differ, and the first ones of their requests, if they say so.
        example: the first request with a different answer, from 0; None when there is none.
    """

    requests: int = 0
    close: int = 0
    different: int = 0
    largest: float = 0.0
    versions: tuple[int, ...] = ()
    example: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "requests": self.requests, "close": self.close, "different": self.different, "largest": self.largest,
            "versions": list(self.versions), "example": self.example,
        }  # fmt: skip


@dataclass
class _Counts:
    close: int = 0
    different: int = 0
    largest: float = 0.0
    versions: set[int] = field(default_factory=set)
    example: int | None = None


def judge(found: Sequence[Different], methods: Sequence[str], protocol: str) -> Equality:
    """Compare what differs in its bytes.

    Args:
        found: the answers.
        methods: of each request the path that it was sent to.
        protocol: ``grpc`` or ``rest``.
    """
    counts, requests = _Counts(), 0
    for one in found:
        first = _read(one.first, methods[one.request], protocol, counts)
        before = (counts.close, counts.different)
        for answer, times in one.others:
            _compare(first, _read(answer, methods[one.request], protocol, counts), times, counts)
        counts.different += one.not_kept
        if counts.different > before[1] and counts.example is None:
            counts.example = one.request
        requests += (counts.close, counts.different) != before
    versions = tuple(sorted(counts.versions)) if requests else ()
    return Equality(requests, counts.close, counts.different, counts.largest, versions, counts.example)


def _compare(first: Any, other: Any, times: int, counts: _Counts) -> None:
    difference = _difference(first, other)
    if difference is None:
        counts.different += times
    elif difference > 0:
        counts.close += times
        counts.largest = max(counts.largest, difference)


def _difference(first: Any, other: Any) -> float | None:
    """The largest difference of two answers' numbers; None when they differ by more than rounding."""
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        if first.keys() != other.keys():
            return None
        differences = [_difference(first[name], other[name]) for name in first]
        known = [one for one in differences if one is not None]
        return max(known, default=0.0) if len(known) == len(differences) else None
    if isinstance(first, np.ndarray) and isinstance(other, np.ndarray):
        return _of_arrays(first, other)
    return 0.0 if first == other else None


def _of_arrays(first: Any, other: Any) -> float | None:
    if first.shape != other.shape or first.dtype != other.dtype:
        return None
    if first.dtype.kind not in "fc":
        return 0.0 if np.array_equal(first, other) else None
    if not np.allclose(first, other, _RELATIVE, _ABSOLUTE, equal_nan=True):
        return None
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - other)
    return float(np.nanmax(apart, initial=0.0))


def _read(answer: bytes, method: str, protocol: str, counts: _Counts) -> Any:
    """What an answer says, in a form that can be compared; the bytes themselves when they cannot be read."""
    try:
        return _arrays(json.loads(answer)) if protocol == "rest" else _message(answer, method, counts)
    except (ValueError, DecodeError, RecursionError):
        return answer


def _message(answer: bytes, method: str, counts: _Counts) -> Any:
    response = getattr(messages, _ANSWERS[method.rpartition("/")[2]]).FromString(answer)
    if "model_spec" in response.DESCRIPTOR.fields_by_name and response.model_spec.HasField("version"):
        counts.versions.add(response.model_spec.version.value)
        response.ClearField("model_spec")
    if "outputs" in response.DESCRIPTOR.fields_by_name:
        return {name: array_of(tensor) for name, tensor in response.outputs.items()}
    return response


def _arrays(document: Any) -> Any:
    """JSON with its lists of numbers as arrays."""
    if isinstance(document, dict):
        return {name: _arrays(one) for name, one in document.items()}
    if isinstance(document, list):
        try:
            array = np.asarray(document)
        except ValueError:
            return document
        return array if array.dtype.kind in "fiub" else document
    return np.asarray(document) if isinstance(document, float) else document
