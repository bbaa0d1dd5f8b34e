"""The original: a SavedModel's signature asked by TensorFlow, and how far rounding moves its own answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.contract import Outputs, compare, noise_floor, nudged
from taxiway.contract.agreement import Array
from taxiway.contract.noise import floor_of, row_noise
from taxiway.errors import FailedPrecondition, NotFound
from taxiway.export.check import places_of_writing

__all__ = ["answers", "load_saved_model", "load_signature", "original"]

_BATCH_ROWS = 256
_ONE_BY_ONE = 64
Ask = Callable[[Mapping[str, Array]], Outputs]


def original(saved_model: str, signature: str, rows: str, out: str) -> dict[str, Any]:
    """Ask a signature rows, and keep its answers.

    Args:
        saved_model: its directory.
        signature: the name.
        rows: the inputs, as ``arrays.save`` writes them.
        out: where the answers go.

    Returns:
        ``noise_floor``, and ``left_out``, how many rows at a step it leaves out; ``repeats``, the largest difference
        when the first batch is asked again; and ``tensorflow``, the version.

    Raises:
        FailedPrecondition: the SavedModel cannot be loaded, or answering changes its variables.
        NotFound: there is no such signature.
    """
    import tensorflow as tf

    function = load_signature(saved_model, signature)
    if places := places_of_writing(function):
        raise FailedPrecondition(
            f"Answering {signature!r} changes variables, in {', '.join(places[:5])}: it was exported in training mode.",
            hint="Export it again: taxiway.export(model, path) calls the model with training=False.",
        )
    inputs = load(rows)
    batch = next((size for spec in _specs(function) if (size := spec.shape[0]) is not None), None)

    def ask(given: Mapping[str, Array]) -> Outputs:
        return {
            name: value.numpy() for name, value in function(**{k: tf.constant(v) for k, v in given.items()}).items()
        }

    found = answers(ask, inputs, batch or _BATCH_ROWS)
    moved = [answers(ask, nudged(inputs, towards), batch or _BATCH_ROWS) for towards in (np.inf, -np.inf)]
    noise = row_noise(found, moved)
    if batch is None:
        # Whole numbers cannot be moved by rounding; another size of batch adds them up in another order.
        few = {name: one[:_ONE_BY_ONE] for name, one in inputs.items()}
        own = {name: one[:_ONE_BY_ONE] for name, one in found.items()}
        noise[:_ONE_BY_ONE] = np.maximum(noise[:_ONE_BY_ONE], row_noise(own, [answers(ask, few, 1)]))
    floor, left_out = floor_of(noise, compare(found, found).scale)
    size = batch or _BATCH_ROWS
    first = {name: one[:size] for name, one in found.items()}
    # In this process: a random operation with a seed begins anew in another one.
    again = noise_floor(first, [answers(ask, {name: one[:size] for name, one in inputs.items()}, size)])
    save(out, found)
    return {"noise_floor": floor, "left_out": left_out, "repeats": again, "tensorflow": tf.__version__}


def load_signature(saved_model: str, signature: str) -> Any:
    """The function of a signature.

    Raises:
        FailedPrecondition: the SavedModel cannot be loaded.
        NotFound: there is no such signature.
    """
    loaded = load_saved_model(saved_model)
    signatures = loaded.signatures
    if signature not in signatures:
        raise NotFound(f"There is no signature {signature!r}; there are {', '.join(signatures) or 'none'}.")
    function = signatures[signature]
    # The variables live as long as the loaded object, which the function alone does not keep.
    function.kept_alive = loaded
    return function


def load_saved_model(saved_model: str) -> Any:
    """The loaded object.

    Raises:
        FailedPrecondition: it cannot be loaded.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(saved_model)
    except AttributeError as error:
        if "add_slot" not in str(error):
            raise
        raise FailedPrecondition(
            f"{saved_model} cannot be loaded: it was saved with an optimizer of Keras 2.",
            hint="pip install --no-deps tf-keras makes it load; or save it again without the optimizer.",
        ) from None
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise FailedPrecondition(
            f"{saved_model} cannot be loaded: {str(error).strip().splitlines()[0][:300]}"
        ) from None


def answers(ask: Ask, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
    """What is answered to all rows, asked in batches."""
    rows = len(next(iter(inputs.values())))
    parts = [ask({name: one[at : at + batch] for name, one in inputs.items()}) for at in range(0, rows, batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _specs(function: Any) -> list[Any]:
    return list(function.structured_input_signature[1].values())
