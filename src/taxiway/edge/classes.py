"""The names of a model's classes: read, held to the outputs that have scores of them, and told of answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array
from taxiway.errors import DataLoss, InvalidArgument, NotFound

__all__ = ["checked_classes", "columns_named", "top_classes"]

_EXAMPLE = "--classes zero,one,two, or a file with a name a line"
MAX_CLASSES = 100_000


def checked_classes(given: Sequence[str] | str | os.PathLike[str] | None) -> list[str]:
    """The names: a list, a text with commas between, or a file with one a line; empty for None.

    Two classes may have one name: ImageNet's own list has "crane" and "maillot" twice.

    Raises:
        NotFound: there is no such file.
        DataLoss: it is no text.
        InvalidArgument: a name is empty, or there are too few or too many.
    """
    if given is None:
        return []
    names = _read(given) if isinstance(given, (str, os.PathLike)) else [str(one) for one in given]
    if len(names) < 2 or not all(name.strip() for name in names):
        raise InvalidArgument("Each of at least two classes needs a name.", hint=_EXAMPLE)
    if len(names) > MAX_CLASSES:
        raise InvalidArgument(f"{len(names):,} classes are named, and a file holds {MAX_CLASSES:,} at most.")
    return names


def columns_named(
    answers: Mapping[str, Array], scored: Sequence[str], names: Sequence[str], *, strict: bool
) -> dict[str, list[str]]:
    """By output, the names of its classes.

    Args:
        answers: the original's.
        scored: the outputs that hold scores of classes.
        names: of the classes.
        strict: whether there must be such an output, and each must have as many columns.

    Raises:
        InvalidArgument: there are more or fewer columns than names, or no scores.
    """
    found = {}
    for output in scored:
        columns = answers[output].shape[1] if answers[output].ndim > 1 else 1
        if max(columns, 2) == len(names):
            found[output] = list(names)
        elif strict:
            raise InvalidArgument(f"{len(names)} classes are named, and {output!r} has scores of {max(columns, 2)}.")
    if strict and not found:
        raise InvalidArgument(
            f"Classes are named, and none of {', '.join(map(repr, answers))} holds scores of them.",
            hint="Say which output does: --scores NAME.",
        )
    return found


def top_classes(
    answers: Mapping[str, Array], classes: Mapping[str, Sequence[str]], borders: Mapping[str, float] | None = None
) -> dict[str, list[str]]:
    """The name of the top class of each row, by output that has names.

    Args:
        answers: the file's.
        classes: by output, the names.
        borders: above what a single number is the second class's, where that is not 0.5.
    """
    found = {}
    for output, names in classes.items():
        array: Any = answers.get(output)
        if array is None or array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
            continue
        wide = array.reshape(len(array), -1)
        if wide.shape[1] == 1 and array.dtype.kind == "f":
            border = (borders or {}).get(output, 0.5)
            found[output] = [names[int(one > border)] for one in wide[:, 0]]
        elif wide.shape[1] == len(names):
            found[output] = [names[place] for place in np.argmax(wide, axis=1)]
    return found


def _read(given: str | os.PathLike[str]) -> list[str]:
    text, path = os.fspath(given), Path(given)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise DataLoss(f"{path} is no file of names, one a line.") from None
        return [line.strip() for line in lines if line.strip()]
    if not isinstance(given, str) or "," not in text:
        raise NotFound(f"There is no file {text}.", hint=_EXAMPLE)
    return [one.strip() for one in text.split(",")]
