"""Real rows → the requests that a server runs before a version serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.export.endpoints import Endpoint
from taxiway.wire import messages
from taxiway.wire.inputs import named_arrays
from taxiway.wire.records import WARM_UP_FILE, write_records
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature, shape_text
from taxiway.wire.tensors import Array, tensor_of

__all__ = ["Request", "requests_of", "write_warm_up"]

Request = tuple[str, dict[str, Array]]
"""A signature's name and its inputs."""

_CLASSIFY, _REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"

# Enough that a server meets single rows and a batch; a warm-up is not a benchmark.
_SINGLE_ROWS = 8
_BATCH_ROWS = 32


def requests_of(warm_up: Any, endpoints: Mapping[str, Endpoint]) -> list[Request]:
    """The requests that some rows make.

    Rows of a signature whose inputs all begin with a free dimension become single rows and one batch of them; rows of
    any other signature, and each entry of a list of dictionaries, are one request as they are.

    Raises:
        InvalidArgument: the rows do not fit the signature, or there are none.
    """
    if isinstance(warm_up, Mapping) and set(warm_up) <= set(endpoints):
        return [one for name, rows in warm_up.items() for one in _of_signature(name, rows, endpoints[name].signature)]
    if DEFAULT_SIGNATURE not in endpoints:
        raise InvalidArgument(
            f"The warm-up rows are for no signature: there is no {DEFAULT_SIGNATURE!r}.",
            hint=f"Pass them by signature name: {', '.join(endpoints)}.",
        )
    return _of_signature(DEFAULT_SIGNATURE, warm_up, endpoints[DEFAULT_SIGNATURE].signature)


def write_warm_up(directory: Path, requests: Sequence[Request], signatures: Mapping[str, Signature]) -> int:
    """Put the requests where servers look for them; returns how many there are."""
    path = directory / WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_records(path, (_record(name, arrays, signatures[name]) for name, arrays in requests))


def _of_signature(name: str, rows: Any, signature: Signature) -> list[Request]:
    if isinstance(rows, (list, tuple)) and rows and all(isinstance(one, Mapping) for one in rows):
        return [(name, _checked(name, one, signature)) for one in rows]
    arrays = _checked(name, rows, signature)
    if not all(spec.shape and spec.shape[0] is None for spec in signature.inputs.values()):
        return [(name, arrays)]
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or counts == {0}:
        raise InvalidArgument(
            f"The warm-up inputs of {name!r} have {sorted(counts)} rows; they need as many, at least 1."
        )
    count = counts.pop()
    singles = [
        (name, {key: array[i : i + 1] for key, array in arrays.items()}) for i in range(min(count, _SINGLE_ROWS))
    ]
    batch = [(name, {key: array[:_BATCH_ROWS] for key, array in arrays.items()})] if count > 1 else []
    return [*singles, *batch]


def _checked(name: str, rows: Any, signature: Signature) -> dict[str, Array]:
    arrays = named_arrays(rows, signature)
    if missing := sorted(set(signature.inputs) - set(arrays)):
        raise InvalidArgument(f"The warm-up rows of {name!r} lack {', '.join(map(repr, missing))}.")
    for key, array in arrays.items():
        shape = signature.inputs[key].shape
        if shape is not None and not _fits(array.shape, shape):
            raise InvalidArgument(
                f"The warm-up rows of {name!r} have the shape {list(array.shape)} for {key!r}, "
                f"which takes {shape_text(shape)}."
            )
    return arrays


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def _record(name: str, arrays: Mapping[str, Array], signature: Signature) -> bytes:
    log = messages.PredictionLog()
    if signature.method_name in (_CLASSIFY, _REGRESS):
        asked = log.classify_log.request if signature.method_name == _CLASSIFY else log.regress_log.request
        asked.model_spec.signature_name = name
        for one in arrays["inputs"].tolist():
            asked.input.example_list.examples.add().MergeFromString(one)
        return log.SerializeToString()
    request = log.predict_log.request
    request.model_spec.signature_name = name
    for key, array in arrays.items():
        request.inputs[key].CopyFrom(tensor_of(array))
    return log.SerializeToString()
