"""A Keras file → a SavedModel that converts: for inference, a row at a time where it loops, numbers for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.buckets import bucket_name
from taxiway.artifacts.tokeniser import IDS, PROBES, Tokeniser, tokeniser_of
from taxiway.errors import FailedPrecondition
from taxiway.export import export, load_keras
from taxiway.wire.signatures import DEFAULT_SIGNATURE, shape_text

__all__ = ["export_file", "tokens"]


def export_file(file: str, out: str, unroll: bool = False, batches: Sequence[int] = ()) -> dict[str, Any]:
    """Export a ``.keras`` or ``.h5`` file into the directory ``out``.

    A model with recurrent layers gets a signature for one row at a time, and one for each of ``batches``; or, with
    ``unroll``, one that does every step by itself and takes any number of rows. One that begins with TextVectorization
    is split: the signature is of the numeric part, and takes ``ids``.

    Returns:
        ``tokeniser``: what was split off, None when nothing was.

    Raises:
        FailedPrecondition: the tokeniser cannot be split off, or there is nothing that could be unrolled.
        TaxiwayError: see :func:`taxiway.export.load_keras` and :func:`taxiway.export.export`.
    """
    import tensorflow as tf

    model = load_keras(file)
    if unroll:
        _unroll(model)
    loops = any(_is_a("RNN", layer) and not getattr(layer, "unroll", False) for layer in model._flatten_layers())
    layer = _vectors(model)
    if not getattr(model, "inputs", None) or not (loops or unroll or layer is not None):
        export(model, out)
        return {"tokeniser": None}
    tokeniser, inputs = None, {one.name: (one.shape[1:], one.dtype) for one in model.inputs}
    # A Sequential has one output and no name for it; as in taxiway.export, its last layer's is taken.
    names = list(getattr(model, "output_names", None) or [model.layers[-1].name])
    if layer is not None:
        tokeniser = _split(model, layer)
        model = _after(model, layer)
        inputs = {IDS: ((tokeniser.length,), "int64")}

    def specs(rows: int | None) -> list[Any]:
        return [tf.TensorSpec([rows, *shape], dtype, name) for name, (shape, dtype) in inputs.items()]

    def serve(*given: Any) -> Any:
        answer = model(list(given) if len(given) > 1 else given[0], training=False)
        if isinstance(answer, dict):
            return answer
        values = answer if isinstance(answer, (list, tuple)) else [answer]
        return dict(zip(names, values, strict=True))

    try:
        found: dict[str, Any] = {DEFAULT_SIGNATURE: (serve, specs(1 if loops else None))}
        if loops:
            found |= {bucket_name(DEFAULT_SIGNATURE, rows): (serve, specs(rows)) for rows in batches}
        export(model, out, signatures=found)
    except ValueError as error:
        if "Cannot unroll a RNN if the time dimension is undefined" not in str(error):
            raise
        shown = ", ".join(f"{name} {shape_text((None, *shape))}" for name, (shape, _) in inputs.items())
        raise FailedPrecondition(
            f"It cannot be unrolled: the number of steps is free ({shown}).",
            hint="Build the model again with that number in its Input, load the weights, and save it; "
            "or leave --unroll out: then it loops, a row at a time.",
        ) from None
    return {"tokeniser": None if tokeniser is None else tokeniser.as_json()}


def tokens(file: str, texts: str, out: str) -> dict[str, Any]:
    """What the file's own tokeniser makes of texts; both as ``arrays.save`` writes them, the answer as ``ids``."""
    layer = _vectors(load_keras(file))
    assert layer is not None
    save(out, {IDS: _numbers(layer, load(texts)["texts"].tolist())})
    return {}


def _unroll(model: Any) -> None:
    """Have every recurrent layer do its steps one after another, in a graph without a loop; weights stay as they are.

    Raises:
        FailedPrecondition: there is none, or one that loops by other means.
    """
    found = [layer for layer in model._flatten_layers() if _is_a("RNN", layer)]
    if not found:
        raise FailedPrecondition("The model has no recurrent layer to unroll.", hint="Leave --unroll out.")
    for layer in found:
        layer.unroll = True
        # Keras 2 has a loop of its own for its LSTM and GRU, chosen when the layer was made.
        if hasattr(layer, "_could_use_gpu_kernel"):
            layer._could_use_gpu_kernel = False


def _is_a(name: str, layer: Any) -> bool:
    return any(kind.__name__ == name for kind in type(layer).__mro__)


def _vectors(model: Any) -> Any:
    """The tokeniser that the model begins with; None when its input is no text."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or inputs[0].dtype != "string":
        return None
    found = [layer for layer in model.layers if _is_a("TextVectorization", layer)]
    if len(found) != 1 or found[0].input is not inputs[0]:
        raise FailedPrecondition(
            "The model takes texts, and does not begin with one TextVectorization that could be split off.",
            hint="Export a signature of the numeric part, and name it with --signature.",
        )
    return found[0]


def _split(model: Any, layer: Any) -> Tokeniser:
    found = tokeniser_of(model.inputs[0].name, layer.get_config(), layer.get_vocabulary()[2:])
    probes = [*PROBES, " ".join(found.vocabulary[:50]), " ".join(found.vocabulary[-50:])]
    if not np.array_equal(found.ids(probes), _numbers(layer, probes)):
        raise FailedPrecondition(
            "The tokeniser cannot be split off: written down, it makes other numbers of some texts."
        )
    return found


def _numbers(layer: Any, texts: list[str]) -> Any:
    import tensorflow as tf

    return layer(tf.constant(texts)).numpy().astype(np.int64)


def _after(model: Any, layer: Any) -> Any:
    """What follows the layer, as a model."""
    if _is_a("Sequential", model):
        return type(model)(model.layers[model.layers.index(layer) + 1 :])
    return type(model)(layer.output, model.outputs[0] if len(model.outputs) == 1 else model.outputs)
