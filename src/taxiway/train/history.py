"""A run's history read as series: which metrics there are, training beside validation, and which epoch was best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "RATE",
    "Entry",
    "best_entry",
    "described",
    "figure",
    "figure_text",
    "first_choice",
    "metric_names",
    "metrics_of",
    "series",
]

Entry = Mapping[str, Any]
"""One epoch of ``metrics.jsonl``: ``epoch`` from 1, ``seconds``, maybe ``learning_rate``, and the metrics."""

RATE = "learning_rate"
VALIDATION = "val_"
_NO_METRICS = ("epoch", "seconds", RATE)


def metrics_of(entry: Entry) -> dict[str, Any]:
    """The metrics of an epoch, without what else is known of it."""
    return {name: value for name, value in entry.items() if name not in _NO_METRICS}


def metric_names(history: Sequence[Entry]) -> list[str]:
    """The metrics' names without ``val_``, the loss first, the others in the order of their appearance."""
    found = dict.fromkeys(name.removeprefix(VALIDATION) for entry in history for name in metrics_of(entry))
    return sorted(found, key=lambda name: name != "loss")


def described(entry: Entry) -> str:
    """The metrics of an epoch in one line: ``loss 0.1253 (val 0.1353)  accuracy 0.9702 (val 0.9694)``."""
    texts = []
    for name in metric_names([entry]):
        mine, validation = figure_text(entry.get(name)), figure_text(entry.get(VALIDATION + name))
        texts.append(f"{name} {mine} (val {validation})" if mine and validation else f"{name} {mine or validation}")
    return "  ".join(texts)


def figure_text(value: Any) -> str:
    """A number for people: four digits that count; nothing for None."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def series(history: Sequence[Entry], name: str) -> tuple[list[int], list[float]]:
    """The epochs in which a metric has a finite value, and the values."""
    points = [(int(entry["epoch"]), figure(entry.get(name))) for entry in history]
    kept = [(epoch, value) for epoch, value in points if value is not None]
    return [epoch for epoch, _ in kept], [value for _, value in kept]


def figure(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def first_choice(history: Sequence[Entry]) -> str:
    """The metric by which epochs are compared: the validation loss, or the loss where there is no validation."""
    return "val_loss" if series(history, "val_loss")[0] else "loss"


def best_entry(history: Sequence[Entry]) -> Entry | None:
    """The epoch with the lowest :func:`first_choice`, the earliest of equals; None when it never was a number."""
    name = first_choice(history)
    counted = [(value, entry) for entry in history if (value := figure(entry.get(name))) is not None]
    return min(counted, key=lambda pair: pair[0])[1] if counted else None
