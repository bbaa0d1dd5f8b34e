"""Rows → a profile. Pure NumPy; bounded in memory and in size, whatever the rows are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.profile.document import Categories, Histogram, Numbers, Profile, Scores, Summary, Tensor
from taxiway.wire.tensors import Array

__all__ = ["MAX_ROWS", "measure", "row_limit", "score_rows", "thinned"]

MAX_ROWS = 20_000
BINS = 20
TOP = 50
# Columns of one input that are told apart, and features in all; beyond, the whole tensor is one feature.
_MAX_COLUMNS = 64
_MAX_FEATURES = 256
_MAX_ELEMENTS = 1 << 20
_MAX_BYTES = 1 << 28
_MAX_TEXT = 80
_SEED = 0
_UNNAMED = "answer"


def measure(inputs: Mapping[str, Array], answers: Any = None) -> Profile:
    """Look at training rows.

    Args:
        inputs: arrays by name, the first dimension the rows; text as ``str`` or ``bytes``. Of more than 20,000 rows, or
            256 MiB, as many are taken, spread over all of them, the same at each call.
        answers: what was learnt, a row each: classes (numbers, texts, one-hot), or numbers; arrays by name where there
            are several; None when there are none.

    Raises:
        InvalidArgument: the arrays have different numbers of rows, or none.
    """
    named = dict(answers) if isinstance(answers, Mapping) else {} if answers is None else {_UNNAMED: answers}
    taken = _taken({**inputs, **{f"{_UNNAMED} {name}": np.asarray(one) for name, one in named.items()}})
    features: dict[str, Summary] = {}
    left_out = 0
    for name, column in _columns({name: np.asarray(one)[taken] for name, one in inputs.items()}):
        if len(features) < _MAX_FEATURES:
            features[name] = _summary(column)
        else:
            left_out += 1
    summaries = {name: _answers(np.asarray(one)[taken]) for name, one in named.items()}
    return Profile(len(taken), features, left_out, summaries)


def score_rows(output: str, scores: Array, of: str, truth: Any = None) -> Scores | None:
    """Look at a model's answers.

    Args:
        output: what the model calls them.
        scores: one number a row, ``[rows]`` or ``[rows, 1]``, or a score for each class, ``[rows, classes]``.
        of: whose rows they are, ``validation`` or ``training``.
        truth: the right answers, as :func:`measure` takes them, or None.

    Returns:
        None when the answers are neither.
    """
    scores = np.asarray(scores)
    if scores.dtype.kind != "f" or scores.ndim not in (1, 2) or not len(scores):
        return None
    scores = scores.astype(np.float64)
    if scores.ndim == 1 or scores.shape[1] == 1:
        alone = scores.ravel()
        return Scores(output, len(scores), of, _score_bins(alone), None, _errors(alone, truth))
    predicted = scores.argmax(axis=1)
    right = {} if truth is None else {"accuracy": float((_class_numbers(truth) == predicted).mean())}
    return Scores(output, len(scores), of, _score_bins(scores.max(axis=1)), _categories(predicted), right)


def thinned(rows: int, most: int = MAX_ROWS) -> Array:
    """The positions of at most ``most`` of ``rows``, rising, spread by a fixed seed."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def row_limit(bytes_a_row: float) -> int:
    """How many rows of a size are looked at: 20,000, or as many as 256 MiB hold."""
    return max(1, min(MAX_ROWS, int(_MAX_BYTES / max(bytes_a_row, 1.0))))


def _taken(arrays: Mapping[str, Any]) -> Array:
    counts = {name: len(one) if np.ndim(one) else 0 for name, one in arrays.items()}
    if not counts or len(set(counts.values())) != 1 or not next(iter(counts.values())):
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InvalidArgument(f"The rows to profile must be as many in each array, at least 1: {shown or 'none'}.")
    rows = next(iter(counts.values()))
    return thinned(rows, row_limit(sum(one.nbytes for one in arrays.values()) / rows))


def _columns(inputs: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for name, array in inputs.items():
        if array.ndim == 2 and array.shape[1] == 1:
            yield name, array[:, 0]
        elif array.ndim == 2 and array.shape[1] <= _MAX_COLUMNS:
            yield from ((f"{name}[{column}]", array[:, column]) for column in range(array.shape[1]))
        else:
            yield name, array


def _summary(column: Array) -> Summary:
    if column.dtype.kind in "OSU":
        return _texts(column)
    if column.dtype.kind == "c":
        column = np.abs(column)
    if column.ndim > 1:
        return _tensor(column)
    if column.dtype.kind in "iub" and len(np.unique(column)) <= TOP:
        return _categories(column)
    return _numbers(column)


def _answers(array: Array) -> Summary:
    if array.dtype.kind in "OSU":
        return _texts(array)
    if array.ndim == 2 and array.shape[1] > 1:
        one_hot = bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())
        return _categories(array.argmax(axis=1)) if one_hot else _tensor(array)
    if array.ndim > 2:
        return _tensor(array)
    flat = array.ravel()
    if flat.dtype.kind == "f" and len(np.unique(flat)) <= TOP and (flat == np.round(flat)).all():
        flat = flat.astype(np.int64)
    return _categories(flat) if flat.dtype.kind in "iub" else _numbers(flat)


def _numbers(values: Array) -> Numbers:
    values = _sampled(values).astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Numbers(Histogram.of(values, ()))
    edges = np.unique(np.quantile(finite, np.linspace(0.0, 1.0, BINS + 1)))
    edges = np.repeat(edges, 2) if len(edges) == 1 else edges
    figures = (finite.min(), finite.max(), finite.mean(), finite.std())
    return Numbers(Histogram.of(values, edges.tolist()), *(_finite(one) for one in figures))


def _tensor(array: Array) -> Tensor:
    rows = array.reshape(len(array), -1)
    # One row after the other in float64: the whole would be eight times the bytes of an image.
    means = np.array([row.mean(dtype=np.float64) for row in rows] if rows.shape[1] else [0.0] * len(rows))
    spreads = np.array([row.astype(np.float64).std() for row in rows] if rows.shape[1] else [0.0] * len(rows))
    return Tensor(tuple(array.shape[1:]), _numbers(rows), _numbers(means), _numbers(spreads))


def _texts(array: Array) -> Categories:
    texts = [_text(one) for one in _sampled(array).tolist()]
    return _counted(Counter(texts), _numbers(np.array([len(one) for one in texts])))


def _categories(values: Array) -> Categories:
    found, counts = np.unique(values, return_counts=True)
    named = zip((str(one) for one in found.tolist()), counts.tolist(), strict=True)
    return _counted(Counter(dict(named)), None)


def _counted(counts: Counter[str], lengths: Numbers | None) -> Categories:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    top: dict[str, int] = {}
    for text, count in ranked[:TOP]:
        cut = text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
        top[cut] = top.get(cut, 0) + count
    return Categories(top, sum(count for _, count in ranked[TOP:]), len(counts), lengths)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _sampled(values: Array) -> Array:
    flat = values.reshape(-1)
    if flat.size <= _MAX_ELEMENTS:
        return flat
    # Drawn, not every n-th: a step that divides the width would see one column only.
    return flat[np.random.default_rng(_SEED).integers(0, flat.size, _MAX_ELEMENTS)]


def _score_bins(scores: Array) -> Histogram:
    finite = scores[np.isfinite(scores)]
    if finite.size and finite.min() >= 0.0 and finite.max() <= 1.0:
        return Histogram.of(scores, np.linspace(0.0, 1.0, BINS + 1).tolist())
    return _numbers(scores).histogram


def _class_numbers(truth: Any) -> Array:
    array = np.asarray(truth)
    return array.argmax(axis=1) if array.ndim == 2 and array.shape[1] > 1 else array.ravel()


def _errors(scores: Array, truth: Any) -> dict[str, float]:
    if truth is None:
        return {}
    right = np.asarray(truth).ravel()
    if right.dtype.kind not in "iubf":
        return {}
    right = right.astype(np.float64)
    if np.isin(right, (0.0, 1.0)).all() and scores.min() >= 0.0 and scores.max() <= 1.0:
        return {"accuracy": float(((scores >= 0.5) == (right == 1.0)).mean())}
    apart = scores - right
    figures = {"mean_absolute_error": np.abs(apart).mean(), "root_mean_squared_error": np.sqrt((apart**2).mean())}
    return {name: float(value) for name, value in figures.items() if np.isfinite(value)}


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
