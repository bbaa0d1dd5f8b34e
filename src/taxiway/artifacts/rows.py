"""The rows that artefacts are compared on: arrays, files of them, a recording, or the version's warm-up requests."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array
from taxiway.errors import DataLoss, InvalidArgument, NotFound
from taxiway.wire.inputs import named_arrays
from taxiway.wire.recording import Recording
from taxiway.wire.records import WARM_UP_FILE
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature, shape_text
from taxiway.wire.tensors import array_of

__all__ = ["Rows", "rows_of"]

_LABELS = "labels"


@dataclass(frozen=True)
class Rows:
    """Real rows.

    Attributes:
        inputs: by name, all with as many rows.
        labels: the true class of each; None when nobody knows.
        said: where they are from, for people.
    """

    inputs: Mapping[str, Array]
    labels: Array | None
    said: str

    @property
    def count(self) -> int:
        """How many there are."""
        return len(next(iter(self.inputs.values())))


def rows_of(
    data: Any,
    labels: Any,
    signature: tuple[str, Signature],
    saved_model: Path,
    translate: Callable[[Any], Any] = lambda given: given,
) -> Rows:
    """The rows.

    Args:
        data: arrays by input name, one array, an ``.npz`` or ``.npy`` file, a recording (a directory or file of
            TFRecords), or None for the version's warm-up requests.
        labels: an array, or the name of one in the ``.npz``; an array called ``labels`` there is taken for them by
            itself, unless it is an input.
        signature: its name and itself.
        saved_model: the original's directory.
        translate: what is given → what the signature takes.

    Raises:
        NotFound: there is no such file, or nothing was given and there are no warm-up requests.
        InvalidArgument: they do not fit the signature.
        DataLoss: a file cannot be read.
    """
    given, said = _given(data, signature[0], saved_model)
    given = translate(given)
    own: Any = None
    if isinstance(given, Mapping):
        given = dict(given)
        name = labels if isinstance(labels, str) else _LABELS
        if name not in signature[1].inputs:
            own = given.pop(name, None)
        if isinstance(labels, str) and own is None:
            raise InvalidArgument(f"There are no labels {labels!r} in {said}.", hint=f"It has {', '.join(given)}.")
    elif isinstance(labels, str):
        raise InvalidArgument(f"{said} holds one array, and so no labels.", hint="Put both into one .npz file.")
    found = None if labels is None and own is None else np.asarray(own if labels is None or own is not None else labels)
    return Rows(*_fitting(given, found, signature[1], said), said)


def _given(data: Any, signature: str, saved_model: Path) -> tuple[Any, str]:
    if data is None:
        path = saved_model / WARM_UP_FILE
        if not path.is_file():
            raise NotFound(
                "No rows are given to compare artefacts on, and the version has no warm-up requests.",
                hint="--data rows.npz with an array for each input, or --data with a recording of real requests.",
            )
        return _recorded(path, signature), "the version's warm-up requests"
    if not isinstance(data, (str, os.PathLike)):
        return data, "rows in memory"
    path = Path(data)
    if path.suffix in (".npz", ".npy"):
        return _arrays(path), str(path)
    if not path.exists():
        raise NotFound(f"There is no file {path}.", hint="--data rows.npz, or a recording of requests")
    return _recorded(path, signature), f"requests recorded in {path}"


def _arrays(path: Path) -> Any:
    try:
        # NumPy leaves a broken file open that it opened itself.
        with path.open("rb") as file:
            loaded = np.load(file)
            return {name: loaded[name] for name in loaded.files} if path.suffix == ".npz" else loaded
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except Exception as error:  # noqa: BLE001  NumPy, zipfile and zlib each raise their own of a broken file
        raise DataLoss(f"{path} is no file of numpy arrays, or not a whole one: {error}") from None


def _recorded(path: Path, signature: str) -> dict[str, Array]:
    recording = Recording(path)
    parts: dict[str, list[Array]] = {}
    for one in recording:
        if one.kind == "predict_log" and (one.request.model_spec.signature_name or DEFAULT_SIGNATURE) == signature:
            for name, tensor in one.request.inputs.items():
                parts.setdefault(name, []).append(array_of(tensor))
    if not parts:
        damage = f" ({recording.unreadable[0]})" if recording.unreadable else ""
        raise NotFound(f"There is no predict request for {signature!r} in {path}{damage}.")
    try:
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}
    except ValueError:
        raise InvalidArgument(f"The requests in {path} have rows of different shapes.") from None


def _fitting(
    given: Any, labels: Array | None, signature: Signature, said: str
) -> tuple[dict[str, Array], Array | None]:
    arrays = named_arrays(given, signature)
    if missing := sorted(set(signature.inputs) - set(arrays)):
        raise InvalidArgument(f"The rows lack the input {', '.join(map(repr, missing))}: {said}.")
    for name, spec in signature.inputs.items():
        shape, wanted = arrays[name].shape, (spec.shape or ())[1:]
        fits = len(shape) == len(wanted) + 1 and all(a in (None, b) for a, b in zip(wanted, shape[1:], strict=True))
        if not fits:
            raise InvalidArgument(
                f"The rows of {name!r} have the shape {list(shape)}, and the signature takes {shape_text(spec.shape)}."
            )
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or counts == {0}:
        raise InvalidArgument(
            f"The inputs have {', '.join(map(str, sorted(counts)))} rows; they need as many, at least 1."
        )
    rows = counts.pop()
    if labels is not None and len(labels) != rows:
        raise InvalidArgument(f"There are {len(labels)} labels and {rows} rows.")
    batch = next((spec.shape[0] for spec in signature.inputs.values() if spec.shape and spec.shape[0]), 1)
    whole = rows - rows % batch
    if not whole:
        raise InvalidArgument(f"The signature takes {batch} rows at a time, and there are {rows}.")
    return {name: one[:whole] for name, one in arrays.items()}, None if labels is None else labels[:whole]
