"""What is asked of an artefact, and what it answered; a runtime is who asks."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from taxiway.contract.agreement import Array
from taxiway.errors import DataLoss, FailedPrecondition

__all__ = ["Answered", "Asked", "Runtime", "answered_of", "batches", "encoded", "timed"]

_DTYPES = {"float32": np.float32, "int32": np.int32, "uint8": np.bool_}


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes:
        inputs: the rows, by input.
        batch: how many are asked at a time.
        free: whether it may be another number of them.
        timed: whether a single request is timed as well.
    """

    inputs: Mapping[str, Array]
    batch: int
    free: bool = True
    timed: bool = False


@dataclass(frozen=True)
class Answered:
    """What was answered.

    Attributes:
        outputs: to all rows, by output.
        load_ms: how long loading took.
        us: the least time of one request, in microseconds; None when it was not timed.
        leaked: tensors that asking left behind.
    """

    outputs: Mapping[str, Array]
    load_ms: float
    us: float | None
    leaked: int


class Runtime(Protocol):
    """Where artefacts can be run."""

    name: str
    """``wasm``."""

    def ask(self, folder: Path, asked: Asked) -> Answered:
        """Load the artefact in a folder there and ask it.

        Raises:
            FailedPrecondition: it does not load or run there; the message has the runtime's own words.
            Unavailable: it took too long.
        """


def batches(asked: Asked) -> Iterator[dict[str, Array]]:
    """The rows, as many at a time as are asked at a time."""
    rows = len(next(iter(asked.inputs.values())))
    for at in range(0, rows, asked.batch):
        yield {name: one[at : at + asked.batch] for name, one in asked.inputs.items()}


def timed(asked: Asked) -> dict[str, Any] | None:
    """The request that is timed: one row, or as many as the model must be given."""
    rows = 1 if asked.free else asked.batch
    return encoded({name: one[:rows] for name, one in asked.inputs.items()}) if asked.timed else None


def encoded(inputs: Mapping[str, Array]) -> dict[str, Any]:
    """Rows for JSON, in the types that TensorFlow.js has."""
    return {
        name: {"data": base64.b64encode(_narrow(one).tobytes()).decode(), "shape": list(one.shape)}
        for name, one in inputs.items()
    }


def answered_of(replies: Sequence[Mapping[str, Any]], where: str) -> Answered:
    """What the replies of ``asked.mjs`` say together.

    Raises:
        FailedPrecondition: one says that it went wrong.
        DataLoss: one is none.
    """
    for reply in replies:
        if "error" in reply:
            raise FailedPrecondition(f"{where} says: {str(reply['error']).strip().splitlines()[0][:300]}")
    try:
        parts = [_decoded(batch) for reply in replies for batch in reply["batches"]]
        outputs = {name: np.concatenate([_rows(part[name]) for part in parts]) for name in parts[0]}
        times = [float(reply["us"]) for reply in replies if reply["us"] is not None]
        return Answered(
            outputs, float(replies[0]["load_ms"]), min(times, default=None), sum(int(one["leaked"]) for one in replies)
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataLoss(f"{where} answered what cannot be read: {error}") from None


def _decoded(batch: Mapping[str, Any]) -> dict[str, Array]:
    return {
        name: np.frombuffer(base64.b64decode(one["data"]), _DTYPES[one["dtype"]]).reshape(one["shape"])
        for name, one in batch.items()
    }


def _rows(array: Array) -> Array:
    return array if array.ndim else array[None]


def _narrow(array: Array) -> Array:
    if array.dtype.kind == "f":
        array = array.astype("<f4")
    elif array.dtype.kind in "iu":
        array = array.astype("<i4")
    return np.ascontiguousarray(array)
