"""What is sent: rows, a recording, or rows made up from the signature, as prepared requests of either protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.client.transport import Call, Target
from taxiway.client.transports import grpc, rest
from taxiway.errors import InvalidArgument, NotFound
from taxiway.wire.inputs import named_arrays
from taxiway.wire.made_up import made_up
from taxiway.wire.recording import METHODS, Recorded, Recording
from taxiway.wire.signatures import Signature
from taxiway.wire.tensors import Array, array_of

__all__ = ["MAX_REQUESTS", "Asked", "Prepared", "bytes_of", "prepare", "signature_named"]

# So many different requests are enough for any cache to be missed, and few enough to be kept.
MAX_REQUESTS = 10_000
_MADE_UP = 16


@dataclass(frozen=True)
class Prepared:
    """Requests ready to be sent.

    Attributes:
        requests: the path and the message of each; over gRPC the path names the method.
        what: what they are, for people.
        notes: what was left out.
    """

    requests: tuple[tuple[str, bytes], ...]
    what: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Whom they are for, and how they travel."""

    target: Target
    name: str
    signature: Signature
    protocol: str
    path: str = ""

    def encoded(self, inputs: Mapping[str, Array]) -> tuple[str, bytes]:
        """A prediction."""
        call = Call(self.target, self.name, inputs, (), None, lambda _: self.signature)
        if self.protocol == "rest":
            path, body = rest.predict_request(call)
            return self.path + path, body
        return f"{grpc.PREDICTION}Predict", grpc.predict_request(call).SerializeToString()


def prepare(asked: Asked, data: Any, rows: int) -> Prepared:
    """The requests.

    Args:
        asked: whom they are for.
        data: None makes rows up; a path is a recording, a file or a directory of them; anything else is inputs as
            :meth:`taxiway.Client.predict` takes them, and ``labels`` beside them, which are not sent.
        rows: how many rows go into one request, except of a recording.

    Raises:
        InvalidArgument: inputs do not fit the signature, or none can be made up for it.
        NotFound: there is no recording, or nothing in it that can be sent.
    """
    if data is None:
        return _made_up(asked, rows)
    if isinstance(data, str | os.PathLike):
        return _recorded(asked, Path(data))
    if isinstance(data, Mapping) and "labels" not in asked.signature.inputs:
        # The same file of rows goes to taxiway edge build, which takes the labels out of it.
        data = {name: value for name, value in data.items() if name != "labels"}
    return _given(asked, named_arrays(data, asked.signature), rows)


def signature_named(signatures: Mapping[str, Signature], name: str, model: str, data: Any) -> Signature:
    """The signature that is asked; one of nothing where ``data`` is a recording, whose requests name their own.

    Raises:
        InvalidArgument: ``model`` has none of this name.
    """
    found = signatures.get(name)
    if found is not None:
        return found
    if isinstance(data, str | os.PathLike):
        return Signature({}, {})
    raise InvalidArgument(
        f'Serving signature name: "{name}" not found in signature def',
        hint=f"{model} has {', '.join(signatures) or 'no signatures'}.",
    )


def _made_up(asked: Asked, rows: int) -> Prepared:
    hint = "Give real ones: --data rows.npz, or a recording."
    if asked.signature.method_name.endswith(("classify", "regress")):
        raise InvalidArgument(f"No tf.Example can be made up for the signature {asked.name!r}.", hint=hint)
    try:
        made = [made_up(asked.signature, rows, number) for number in range(_MADE_UP)]
    except InvalidArgument as error:
        raise InvalidArgument(f"No rows can be made up: {error.message}.", hint=hint) from None
    return Prepared(tuple(map(asked.encoded, made)), f"{_MADE_UP} made-up requests of {_rows(rows)}")


def _given(asked: Asked, inputs: Mapping[str, Array], rows: int) -> Prepared:
    count = _common_rows(asked.signature, inputs)
    if count is None:
        return Prepared((asked.encoded(inputs),), "one request of the given inputs")
    if count < rows:
        raise InvalidArgument(f"The data has {_rows(count)}, fewer than the {rows} of a request.", hint="Lower --rows.")
    starts = range(0, count - rows + 1, rows)
    chosen = starts[:MAX_REQUESTS]
    parts = ({name: array[start : start + rows] for name, array in inputs.items()} for start in chosen)
    left = count - len(chosen) * rows
    notes = (f"the last {_rows(left)} of the data are not used",) if left else ()
    return Prepared(tuple(map(asked.encoded, parts)), f"{len(chosen)} requests of {_rows(rows)}", notes)


def _common_rows(signature: Signature, inputs: Mapping[str, Array]) -> int | None:
    """How many rows all inputs have; None when the signature does not take rows."""
    shapes = [signature.inputs[name].shape for name in inputs]
    if not all(shape is None or (shape and shape[0] is None) for shape in shapes):
        return None
    counts = {array.shape[0] if array.ndim else None for array in inputs.values()}
    count = counts.pop() if len(counts) == 1 else None
    if count == 0:
        raise InvalidArgument("The data has no rows.")
    return count


def _recorded(asked: Asked, place: Path) -> Prepared:
    recording = Recording(place)
    encode: Callable[[Recorded, Asked], tuple[str, bytes] | None] = _as_rest if asked.protocol == "rest" else _as_grpc
    encoded = [encode(one, asked) for one in islice(recording, MAX_REQUESTS)]
    requests = tuple(one for one in encoded if one is not None)
    left = len(encoded) - len(requests)
    notes = [f"not read to its end: {problem}" for problem in recording.unreadable]
    if left:
        notes.append(f"{left} recorded requests are left out: over REST only predictions are sent")
    if not requests:
        raise NotFound(f"There is no request in {place} that can be sent.", hint="; ".join(notes) or None)
    return Prepared(requests, f"{len(requests)} recorded requests", tuple(notes))


def _as_grpc(recorded: Recorded, asked: Asked) -> tuple[str, bytes]:
    request = type(recorded.request)()
    request.CopyFrom(recorded.request)
    specs = (
        [task.model_spec for task in request.tasks] if recorded.kind == "multi_inference_log" else [request.model_spec]
    )
    for spec in specs:
        spec.name = asked.target.model
        spec.ClearField("version_choice")
        if asked.target.version is not None:
            spec.version.value = asked.target.version
        elif asked.target.label is not None:
            spec.version_label = asked.target.label
    return grpc.PREDICTION + METHODS[recorded.kind][0], request.SerializeToString()


def _as_rest(recorded: Recorded, asked: Asked) -> tuple[str, bytes] | None:
    if recorded.kind != "predict_log":
        return None
    inputs = {name: array_of(tensor) for name, tensor in recorded.request.inputs.items()}
    name = recorded.request.model_spec.signature_name or asked.name
    return Asked(asked.target, name, asked.signature, "rest", asked.path).encoded(inputs)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def bytes_of(requests: tuple[tuple[str, bytes], ...]) -> float:
    """The mean length of a message."""
    return float(np.mean([len(message) for _, message in requests]))
