"""The profile of training rows that goes with an export: the rows by NumPy, the scores by what is exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.export.endpoints import Endpoint
from taxiway.profile import Profile, Scores, measure, score_rows, thinned
from taxiway.wire.inputs import named_arrays
from taxiway.wire.signatures import DEFAULT_SIGNATURE
from taxiway.wire.tensors import Array

__all__ = ["ProfileRows", "profile_of"]

# A large model takes a tenth of a second a row; the profile should cost seconds.
_SCORED_ROWS = 2_000
_BATCH_ROWS = 256
_SCORES = ("probabilities", "scores", "score")


@dataclass(frozen=True)
class ProfileRows:
    """The rows that a profile is made of.

    Attributes:
        inputs: training rows as ``serving_default`` takes them: an array, or arrays by input name.
        answers: what was learnt from each row: classes, one-hot, numbers; by name where there are several; or None.
        validation: (inputs, answers) of rows that were not learnt from: the scores are theirs, and the accuracy.
    """

    inputs: Any
    answers: Any = None
    validation: tuple[Any, Any] | None = None


def profile_of(given: Any, endpoints: Mapping[str, Endpoint]) -> Profile:
    """Measure the rows, and ask what is exported up to 2,000 of them.

    Args:
        given: :class:`ProfileRows`, (inputs, answers), or inputs alone.
        endpoints: by signature name.

    Raises:
        InvalidArgument: the rows do not fit ``serving_default``, or there are none.
    """
    if DEFAULT_SIGNATURE not in endpoints:
        raise InvalidArgument(f"A profile is of {DEFAULT_SIGNATURE!r}, and there is none: {', '.join(endpoints)}.")
    endpoint = endpoints[DEFAULT_SIGNATURE]
    if not isinstance(given, ProfileRows):
        given = ProfileRows(*given) if isinstance(given, tuple) and len(given) == 2 else ProfileRows(given)
    inputs = _inputs(given.inputs, endpoint, "rows to profile")
    found = measure(inputs, given.answers)
    if given.validation is not None:
        held_out = _inputs(given.validation[0], endpoint, "validation rows to profile")
        return replace(found, scores=_scores(endpoint, held_out, given.validation[1], "validation"))
    return replace(found, scores=_scores(endpoint, inputs, given.answers, "training"))


def _inputs(rows: Any, endpoint: Endpoint, what: str) -> dict[str, Array]:
    try:
        arrays = named_arrays(rows, endpoint.signature)
    except InvalidArgument as error:
        raise InvalidArgument(f"The {what} do not fit {endpoint.name!r}: {error.message}", hint=error.hint) from None
    for name, spec in endpoint.signature.inputs.items():
        if name not in arrays:
            raise InvalidArgument(f"The {what} lack the input {name!r}.")
        if spec.shape is not None and arrays[name].ndim != len(spec.shape):
            raise InvalidArgument(f"The {what} have {arrays[name].ndim} dimensions in {name!r}, not {len(spec.shape)}.")
    return arrays


def _scores(endpoint: Endpoint, inputs: Mapping[str, Array], answers: Any, of: str) -> Scores | None:
    outputs = endpoint.signature.outputs
    name = next(iter(outputs)) if len(outputs) == 1 else next((one for one in _SCORES if one in outputs), None)
    batched = all(spec.shape and spec.shape[0] is None for spec in endpoint.signature.inputs.values())
    rows = min((len(array) if array.ndim else 0 for array in inputs.values()), default=0)
    if name is None or not batched or not rows:
        return None
    taken = thinned(rows, _SCORED_ROWS)
    scores = np.concatenate(list(_asked(endpoint, name, {key: array[taken] for key, array in inputs.items()})))
    truth = answers.get(name) if isinstance(answers, Mapping) else answers
    truth = None if truth is None else np.asarray(truth)
    known = truth if truth is not None and len(truth) == rows and truth.dtype.kind in "iubf" else None
    return score_rows(name, scores, of, None if known is None else known[taken])


def _asked(endpoint: Endpoint, name: str, inputs: Mapping[str, Array]) -> Iterator[Array]:
    import tensorflow as tf

    for start in range(0, len(next(iter(inputs.values()))), _BATCH_ROWS):
        batch = {key: tf.constant(array[start : start + _BATCH_ROWS]) for key, array in inputs.items()}
        answer = np.asarray(endpoint.concrete(**batch)[name])
        # bfloat16 is NumPy's by extension only.
        yield answer.astype(np.float32) if answer.dtype.kind == "V" else answer
