"""A Keras file → a SavedModel that converts: for inference, and one row at a time where the model loops over time."""

from __future__ import annotations

from typing import Any

from taxiway.export import export, load_keras

__all__ = ["export_file"]


def export_file(file: str, out: str) -> dict[str, Any]:
    """Export a ``.keras`` or ``.h5`` file into the directory ``out``.

    Returns:
        ``one_row``: whether the signature takes one row at a time, as converters want it of recurrent layers.

    Raises:
        TaxiwayError: see :func:`taxiway.export.load_keras` and :func:`taxiway.export.export`.
    """
    import tensorflow as tf

    model = load_keras(file)
    if not any(_loops(layer) for layer in model._flatten_layers()):
        export(model, out)
        return {"one_row": False}
    specs = {one.name: tf.TensorSpec([1, *one.shape[1:]], one.dtype, one.name) for one in model.inputs}

    def serve(*inputs: Any) -> Any:
        answer = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        if isinstance(answer, dict):
            return answer
        values = answer if isinstance(answer, (list, tuple)) else [answer]
        return dict(zip(model.output_names, values, strict=True))

    export(model, out, signatures={"serving_default": (serve, list(specs.values()))})
    return {"one_row": True}


def _loops(layer: Any) -> bool:
    return any(kind.__name__ == "RNN" for kind in type(layer).__mro__) and not getattr(layer, "unroll", False)
