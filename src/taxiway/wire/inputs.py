"""What people hand in → arrays of the signature's names and dtypes, the same for every protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.wire.dtypes import DType
from taxiway.wire.signatures import Signature
from taxiway.wire.tensors import Array, as_bytes

__all__ = ["Inputs", "check_outputs", "named_arrays"]

Value: TypeAlias = Any
"""An array, or what numpy makes one of: numbers, text, bytes, (nested) lists of them."""

Inputs: TypeAlias = Mapping[str, Value] | Value
"""Values by input name; a bare value when the signature has one input."""


def named_arrays(inputs: Inputs, signature: Signature) -> dict[str, Array]:
    """The arrays to send.

    Numbers become the signature's dtype where no value is lost but precision (float64 → float32, int64 → int32 when
    every value fits); anything else is refused.

    Raises:
        InvalidArgument: a name is missing or unknown, a bare value has no one name, or a dtype does not fit.
    """
    if not isinstance(inputs, Mapping):
        if len(signature.inputs) != 1:
            raise InvalidArgument(
                f"The signature has {len(signature.inputs)} inputs, so each value needs its name.",
                hint=f"Pass a dictionary with {_names(signature.inputs)}.",
            )
        inputs = {next(iter(signature.inputs)): inputs}
    if unknown := sorted(set(inputs) - set(signature.inputs)):
        raise InvalidArgument(
            f"{', '.join(map(repr, unknown))} is no input of the signature.",
            hint=f"Its inputs are {_names(signature.inputs)}.",
        )
    # A missing one may have a default in the model, which only the server knows.
    return {name: _array(name, value, signature.inputs[name].dtype) for name, value in inputs.items()}


def check_outputs(outputs: Sequence[str], signature: Signature) -> None:
    """Raise InvalidArgument, in TensorFlow Serving's words, when an output is asked for that is not there."""
    for name in outputs:
        if name not in signature.outputs:
            raise InvalidArgument(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{','.join(signature.outputs)}}}."
            )


def _array(name: str, value: Value, dtype: DType) -> Array:
    if dtype.is_string:
        return _strings(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidArgument(f"Input {name!r} is ragged: its rows differ in length.") from None
    target = dtype.numpy
    if array.dtype == target or array.size == 0:
        return array.astype(target, copy=False)
    if array.dtype.kind in "OSUMmV" or not _fits(array, target):
        raise InvalidArgument(
            f"Input {name!r} is {array.dtype}, and the model takes {dtype.name}.",
            hint=f"Convert it if that is what you mean: array.astype({dtype.name!r}).",
        )
    return array.astype(target)


def _fits(array: Array, target: np.dtype[Any]) -> bool:
    if target.kind not in "iu" or array.dtype.kind not in "iu":
        # Types numpy knows by extension (bfloat16) have no casting rules of their own.
        extended = target.kind == "V" and array.dtype.kind in "fiu"
        return extended or np.can_cast(array.dtype, target, "same_kind")
    limits = np.iinfo(target)
    return int(array.min()) >= limits.min and int(array.max()) <= limits.max


def _strings(name: str, value: Value) -> Array:
    try:
        array = np.asarray(value, object)
    except ValueError:
        raise InvalidArgument(f"Input {name!r} is ragged: its rows differ in length.") from None
    flat = np.empty(array.size, object)
    try:
        flat[:] = [as_bytes(one) for one in array.ravel().tolist()]
    except InvalidArgument as error:
        raise InvalidArgument(f"Input {name!r} takes strings: {error.message}", hint=error.hint) from None
    return flat.reshape(array.shape)


def _names(specs: Mapping[str, object]) -> str:
    return ", ".join(map(repr, specs))
