"""Rows unlike the measured ones: an engine that agrees on those may turn a NaN into a confident answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from taxiway.artifacts.workshop import Died
from taxiway.contract import Outputs, compare
from taxiway.contract.agreement import Array
from taxiway.contract.noise import tolerance
from taxiway.errors import TaxiwayError

__all__ = ["KINDS", "unlike"]

_MOST_ROWS = 32

Inputs = Mapping[str, Array]


def _one_nan(array: Array) -> Array:
    """A copy with a NaN in each row, in another place from row to row."""
    made: Array = array.copy()
    wide = made.reshape(len(made), -1)
    for row in range(len(wide) if wide.shape[1] else 0):
        wide[row, (row * wide.shape[1] // len(wide) + row) % wide.shape[1]] = np.nan
    return made


def _tenfold(array: Array) -> Array:
    with np.errstate(over="ignore"):
        made: Array = (array * 10).astype(array.dtype)
    return made


_NAN = "one NaN in each input"

KINDS: Mapping[str, Callable[[Array], Array]] = {
    _NAN: _one_nan,
    "numbers negated": lambda array: -array,
    "numbers ten times as large": _tenfold,
}
"""What is done to the inputs of floating-point numbers."""


def unlike(
    inputs: Inputs, batch: int, ask: Callable[[Inputs], tuple[Outputs, float]], run: Callable[[Inputs], Outputs]
) -> str:
    """Why a file does not answer unusual rows like the original, in a sentence; empty when it does.

    Args:
        inputs: measured rows, of which a few are changed.
        batch: how many rows go at a time.
        ask: the original's answers and their noise; a TaxiwayError when it refuses the rows.
        run: the file's answers; a TaxiwayError when it refuses the rows.

    Raises:
        TaxiwayError: the file refuses what the original answers, or its process died.
    """
    if not any(_is_float(array) for array in inputs.values()):
        return ""
    most = max(batch, _MOST_ROWS - _MOST_ROWS % batch)
    return _unlike({name: array[:most] for name, array in inputs.items()}, list(KINDS), ask, run)


def _unlike(
    inputs: Inputs,
    kinds: Sequence[str],
    ask: Callable[[Inputs], tuple[Outputs, float]],
    run: Callable[[Inputs], Outputs],
) -> str:
    made = {
        name: np.concatenate([KINDS[kind](array) if _is_float(array) else array for kind in kinds])
        for name, array in inputs.items()
    }
    try:
        # All at once: the original is loaded anew each time.
        reference, noise = ask(made)
    except TaxiwayError:
        if len(kinds) > 1:
            return next(filter(None, (_unlike(inputs, [kind], ask, run) for kind in kinds)), "")
        return f"the SavedModel refuses rows with {kinds[0]}, and LiteRT answers them" if _answers(run, made) else ""
    candidate = run(made)
    count = len(next(iter(inputs.values())))
    for at, kind in enumerate(kinds):
        part = slice(at * count, (at + 1) * count)
        own, other = ({name: one[part] for name, one in of.items()} for of in (reference, candidate))
        other = {name: _excused(one, other[name]) if kind == _NAN else other[name] for name, one in own.items()}
        if found := _different(own, other, noise):
            return f"{found[0]} of {count} rows with {kind} are answered otherwise: {found[1]}"
    return ""


def _answers(run: Callable[[Inputs], Outputs], made: Inputs) -> bool:
    try:
        run(made)
    except Died:
        raise
    except TaxiwayError:
        return False
    return True


def _different(own: Outputs, other: Outputs, noise: float) -> tuple[int, str] | None:
    """How many rows differ by more than rounding, and how."""
    agreement = compare(own, other)
    allowed, apart = tolerance(noise, agreement.scale), agreement.row_differences
    wrong = apart > allowed
    for name, one in own.items():
        if one.dtype.kind not in "fcV":
            wrong = wrong | (one != other[name]).reshape(len(one), -1).any(axis=1)
    if not wrong.any():
        return None
    if hidden := _hidden(own, other):
        return hidden
    if agreement.not_finite:
        return int(wrong.sum()), "LiteRT's answers are NaN or infinite, TensorFlow's are numbers"
    largest = float(apart.max(initial=0.0))
    return int(wrong.sum()), f"by {largest:.2g}, and {allowed:.2g} is allowed" if largest > allowed else "other classes"


def _excused(own: Array, other: Array) -> Array:
    """An answer without the NaN that the original hid: to say it is better, and common where maxima are taken."""
    if not _is_float(own) or own.shape != other.shape:
        return other
    excused: Array = np.where(_finite(own) & ~_finite(other), own, other)
    return excused


def _hidden(own: Outputs, other: Outputs) -> tuple[int, str] | None:
    """In how many rows what is not finite has become a number."""
    found = [~_finite(one) & _finite(other[name]) for name, one in own.items() if _is_float(one)]
    rows = [one.reshape(len(one), -1).any(axis=1) for one in found]
    count = int(np.logical_or.reduce(rows).sum()) if rows else 0
    return (count, "TensorFlow's answers are NaN or infinite, LiteRT's are numbers") if count else None


def _finite(array: Array) -> Array:
    found: Array = np.isfinite(array.astype(np.float64))
    return found


def _is_float(array: Array) -> bool:
    return array.dtype.kind in "fV"
