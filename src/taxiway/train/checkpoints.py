"""Checkpoints: every variable of a model and its optimizer after an epoch, wholly there or not at all.

    checkpoints/epoch-000003/variables.npz  checkpoint.json

A checkpoint appears by one rename. It holds arrays by position, so one of one device resumes on many, and back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import DataLoss, FailedPrecondition
from taxiway.types import JsonObject

__all__ = ["Checkpoint", "newest", "restore", "save", "values"]

KEPT = 2
_NAME = re.compile(r"epoch-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        path: its directory.
        epoch: how many epochs are done.
        history: the metrics of each.
        stopped: whether a callback ended the training.
    """

    path: Path
    epoch: int
    history: tuple[JsonObject, ...]
    stopped: bool


def values(variables: Sequence[Any]) -> list[Any]:
    """The variables' values, as NumPy arrays."""
    import numpy as np

    return [np.asarray(one.numpy()) for one in variables]


def save(
    directory: Path, arrays: Sequence[Any], paths: Sequence[str], history: Sequence[JsonObject], stopped: bool
) -> Path:
    """Write the checkpoint of ``len(history)`` epochs, and remove all but the newest two."""
    import numpy as np

    target = directory / f"epoch-{len(history):06d}"
    part = directory / f".part-{os.getpid()}"
    # One process writes; what one that was killed left behind is as large as a model.
    for left in directory.glob(".part-*"):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    # As bytes: NumPy forgets types that it does not have itself, such as bfloat16.
    raw: dict[str, Any] = {
        str(n): np.frombuffer(np.ascontiguousarray(one).tobytes(), np.uint8) for n, one in enumerate(arrays)
    }
    with (part / "variables.npz").open("wb") as file:
        np.savez(file, **raw)
        file.flush()
        os.fsync(file.fileno())
    document = {
        "epoch": len(history),
        "stopped": stopped,
        "history": list(history),
        "variables": [
            {"path": path, "shape": list(one.shape), "dtype": str(one.dtype)}
            for path, one in zip(paths, arrays, strict=True)
        ],
    }
    with (part / "checkpoint.json").open("w", encoding="utf-8") as text:
        json.dump(document, text)
        text.flush()
        os.fsync(text.fileno())
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    for old in _all(directory)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest(directory: Path) -> Checkpoint | None:
    """The newest whole checkpoint; None where there is none."""
    for path in _all(directory):
        document = _document(path)
        return Checkpoint(path, int(document["epoch"]), tuple(document["history"]), bool(document["stopped"]))
    return None


def restore(checkpoint: Checkpoint, variables: Sequence[Any]) -> None:
    """Give variables the values of a checkpoint.

    Raises:
        FailedPrecondition: it is of another model or optimizer; the message names the first difference.
        DataLoss: its file cannot be read.
    """
    import numpy as np

    described = _document(checkpoint.path)["variables"]
    if len(described) != len(variables):
        raise FailedPrecondition(
            f"{checkpoint.path} holds {len(described)} variables; the model and its optimizer have {len(variables)}.",
            hint="The job changed since. Begin a new run.",
        )
    try:
        with np.load(checkpoint.path / "variables.npz") as file:
            raw = [file[str(number)] for number in range(len(described))]
    except (OSError, ValueError, KeyError) as error:
        raise DataLoss(f"{checkpoint.path} cannot be read: {error}.") from None
    for one, data, variable in zip(described, raw, variables, strict=True):
        _assign(checkpoint.path, one, data, variable)


def _assign(where: Path, described: Mapping[str, Any], data: Any, variable: Any) -> None:
    import numpy as np
    import tensorflow as tf

    shape, dtype = tuple(described["shape"]), described["dtype"]
    if shape != tuple(variable.shape) or tf.as_dtype(dtype) != tf.as_dtype(variable.dtype):
        raise FailedPrecondition(
            f"{where}: {described['path']} is {dtype}{list(shape)}; the model's {variable.path} is "
            f"{variable.dtype}{list(variable.shape)}.",
            hint="The job changed since. Begin a new run.",
        )
    variable.assign(np.frombuffer(data.tobytes(), tf.as_dtype(dtype).as_numpy_dtype).reshape(shape))


def _all(directory: Path) -> list[Path]:
    """The checkpoints' directories, newest first."""
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def _document(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((path / "checkpoint.json").read_bytes())
    except (OSError, ValueError) as error:
        raise DataLoss(f"{path} cannot be read: {error}.") from None
    return document
