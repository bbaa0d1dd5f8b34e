"""Keras models: names that people know, preprocessing in front, and always for inference.

Called without ``training=False``, Keras 3 runs a model that begins with image preprocessing in training mode: batch
normalisation uses the batch, and answers are wrong without a word. So nothing here leaves it out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.export.endpoints import Endpoint, Tensors, as_traced, identifier, named_outputs, trace
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["endpoint_of", "is_keras_model"]

_AUTOMATIC_INPUTS = ("keras_tensor", "input_layer", "input")
_PROBABILITIES = ("softmax", "sigmoid")


def is_keras_model(model: Any) -> bool:
    """Whether it is one, of Keras 3 or of Keras 2 (tf-keras), without importing either: who has a model has."""
    return any(isinstance(model, kind) for kind in _kinds("keras", "tf_keras"))


def _kinds(*packages: str) -> list[type]:
    found = (getattr(sys.modules.get(name), "Model", None) for name in packages)
    return [kind for kind in found if isinstance(kind, type)]


def endpoint_of(model: Any, preprocess: Any, outputs: Sequence[str] | None) -> Endpoint:
    """What the model answers, after ``preprocess`` where there is one.

    Raises:
        FailedPrecondition: Keras does not run on TensorFlow here.
        InvalidArgument: the model does not know its inputs yet.
    """
    _check_backend(model)
    inputs = _inputs(model)
    names = list(outputs) if outputs is not None else _output_names(model)
    first, specs = _preprocessing(preprocess, inputs)

    def call(tensors: Tensors) -> Tensors:
        return named_outputs(model(_fed(model, first(tensors), inputs), training=False), names)

    def predict(tensors: Tensors) -> Tensors:
        # One batch of predict: the same step, without the progress bar and the 32 rows that predict cuts at.
        return named_outputs(model.predict_on_batch(_fed(model, first(tensors), inputs)), names)

    holds = [model, preprocess, getattr(preprocess, "__self__", None)]
    return replace(trace(DEFAULT_SIGNATURE, call, specs, call), holds=holds, predict=predict, against="predict")


def _check_backend(model: Any) -> None:
    if any(isinstance(model, kind) for kind in _kinds("tf_keras")):
        return  # Keras 2 knows no other backend
    import keras

    if keras.backend.backend() != "tensorflow":
        raise FailedPrecondition(
            f"Keras runs on {keras.backend.backend()} here; a SavedModel needs its TensorFlow backend.",
            hint="Set KERAS_BACKEND=tensorflow and load the model again.",
        )


def _structure(model: Any, way: str) -> Any:
    """The mapping or list a functional model was made with; each Keras calls it otherwise."""
    structure = getattr(model, f"_{way}_struct", None)
    return getattr(model, f"_nested_{way}", None) if structure is None else structure


def _inputs(model: Any) -> dict[str, Any]:
    """The model's inputs as specs by name, in its own order."""
    import tensorflow as tf

    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InvalidArgument(
            f"{type(model).__name__} {model.name!r} does not say what it takes.",
            hint='Begin it with keras.Input(…, name="…"), or pass signatures={"serving_default": (model, [specs])}.',
        )
    structure = _structure(model, "inputs")
    if isinstance(structure, Mapping):
        named = dict(structure)
    elif len(inputs) == 1 and _is_automatic(inputs[0].name, (*_AUTOMATIC_INPUTS, f"{model.layers[0].name}_input")):
        named = {"input": inputs[0]}
    else:
        named = {one.name: one for one in inputs}
    return {identifier(name): tf.TensorSpec(one.shape, one.dtype, name) for name, one in named.items()}


def _output_names(model: Any) -> list[str] | None:
    """The layers' names, as far as somebody chose them; None where the model's answer has names itself."""
    names = list(getattr(model, "output_names", None) or [model.layers[-1].name])
    if len(names) != len(model.outputs) or isinstance(_structure(model, "outputs"), Mapping):
        return None
    if len(names) > 1:
        return names
    layer = model.get_layer(names[0])
    if not _is_automatic(layer.name, (type(layer).__name__,)):
        return names
    activation = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower())
    return ["probabilities" if activation in _PROBABILITIES else "output"]


def _is_automatic(name: str, bases: Sequence[str]) -> bool:
    """Whether Keras made the name up: a class's, maybe with a number."""
    plain = re.sub(r"_\d+$", "", name).replace("_", "").lower()
    return plain in {base.replace("_", "").lower() for base in bases}


def _preprocessing(preprocess: Any, inputs: Mapping[str, Any]) -> tuple[Callable[[Tensors], Any], Mapping[str, Any]]:
    """What comes before the model, and what the whole then takes."""
    if preprocess is None:
        return lambda tensors: tensors, inputs
    if is_keras_model(preprocess):
        own = _inputs(preprocess)
        return lambda tensors: preprocess(_fed(preprocess, tensors, own), training=False), own
    if isinstance(preprocess, tuple) or hasattr(preprocess, "get_concrete_function"):
        function, specs, by_position = as_traced(preprocess)
        if by_position:
            return lambda tensors: function(*(tensors[name] for name in specs)), specs
        return lambda tensors: function(**{name: tensors[name] for name in specs}), specs
    return lambda tensors: preprocess(*(tensors[name] for name in inputs)), inputs


def _fed(model: Any, prepared: Any, inputs: Mapping[str, Any]) -> Any:
    """What the model is called with: the structure it was built with."""
    if not isinstance(prepared, Mapping):
        return prepared
    structure = _structure(model, "inputs")
    if isinstance(structure, Mapping):
        return {name: prepared[identifier(name)] for name in structure}
    values = [prepared[name] for name in inputs]
    return values[0] if len(values) == 1 else values
