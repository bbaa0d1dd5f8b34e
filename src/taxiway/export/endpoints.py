"""What a model can be asked: functions of named tensors, traced, each beside what it must answer like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec

__all__ = ["Endpoint", "as_traced", "endpoints_of", "trace"]

Tensors = dict[str, Any]
_DEFAULT_METHODS = ("serve", "__call__")


@dataclass(frozen=True)
class Endpoint:
    """One signature.

    Attributes:
        name: the signature's.
        concrete: the traced function: tensors by input name → tensors by output name.
        reference: the same by the model itself, run step by step.
        signature: names, dtypes and shapes.
        holds: objects that may own tables or files the function uses.
        predict: a Keras model's own ``predict``, where the model is one.
        against: what the reference is, for people.
    """

    name: str
    concrete: Any
    reference: Callable[[Tensors], Tensors]
    signature: Signature
    holds: list[Any] = field(default_factory=list)
    predict: Callable[[Tensors], Tensors] | None = None
    against: str = "the function"


def endpoints_of(
    model: Any, signatures: Mapping[str, Any] | None, preprocess: Any, outputs: Sequence[str] | None
) -> dict[str, Endpoint]:
    """The endpoints of a model by signature name.

    Raises:
        InvalidArgument: there is nothing to ask, or it is not clear how; the hint says what to pass.
    """
    from taxiway.export import keras_model

    if signatures is not None:
        if preprocess is not None:
            raise InvalidArgument(
                "preprocess and signatures are both given.", hint="Call the preprocessing in the signatures' functions."
            )
        if not signatures:
            raise InvalidArgument("signatures is empty, so there would be nothing to ask.")
        return {name: _of_function(name, one, outputs, [model]) for name, one in signatures.items()}
    if keras_model.is_keras_model(model):
        return {DEFAULT_SIGNATURE: keras_model.endpoint_of(model, preprocess, outputs)}
    if preprocess is not None:
        raise InvalidArgument(
            "preprocess goes with a Keras model only.", hint="Call it in the function that is exported."
        )
    if isinstance(model, tuple) or _input_signature(model) is not None:
        return {DEFAULT_SIGNATURE: _of_function(DEFAULT_SIGNATURE, model, outputs, [])}
    return _of_module(model, outputs)


def as_traced(function: Any) -> tuple[Any, dict[str, Any], bool]:
    """A function with its input specs by name, in the order of its arguments.

    Args:
        function: a ``tf.function`` with an input signature, or (function, specs).

    Returns:
        The ``tf.function``, the specs, and whether tensors are passed by position.

    Raises:
        InvalidArgument: it is neither, or an argument is not one tensor.
    """
    import tensorflow as tf

    if isinstance(function, tuple):
        if len(function) != 2 or not callable(function[0]):
            raise InvalidArgument("A tuple must be (function, list of tf.TensorSpec).")
        function = tf.function(function[0], input_signature=list(function[1]))
    if _input_signature(function) is None:
        raise InvalidArgument(
            f"{function!r} does not say what it takes.",
            hint="Decorate it with @tf.function(input_signature=[tf.TensorSpec(…)]), or pass (function, [specs]).",
        )
    positional, named = function.get_concrete_function().structured_input_signature
    specs = {**{spec.name: spec for spec in positional if _is_spec(spec)}, **named}
    if len(specs) != len(positional) + len(named) or not all(map(_is_spec, specs.values())):
        raise InvalidArgument(
            f"{function!r} takes something else than single tensors with different names.",
            hint="Give every tensor an argument of its own.",
        )
    return function, {identifier(name): spec for name, spec in specs.items()}, bool(positional)


def trace(
    name: str, call: Callable[[Tensors], Tensors], specs: Mapping[str, Any], reference: Callable[[Tensors], Tensors]
) -> Endpoint:
    """The endpoint of ``call`` for inputs like ``specs``."""
    import tensorflow as tf

    named = {key: tf.TensorSpec(spec.shape, spec.dtype, name=key) for key, spec in specs.items()}
    concrete = tf.function(lambda **tensors: call(tensors), autograph=False).get_concrete_function(**named)
    signature = Signature(
        inputs={key: _spec(named[key]) for key in sorted(named)},
        outputs={key: _spec(value) for key, value in sorted(concrete.structured_outputs.items())},
    )
    return Endpoint(name, concrete, reference, signature)


def named_outputs(result: Any, names: Sequence[str] | None) -> Tensors:
    """What a function returned, as tensors by name.

    Raises:
        InvalidArgument: names are missing, or not as many as there are tensors.
    """
    if isinstance(result, Mapping):
        if names is not None and set(names) != set(result):
            raise InvalidArgument(f"The function names its outputs itself: {', '.join(result)}.")
        return {identifier(name): value for name, value in result.items()}
    values = list(result) if isinstance(result, (list, tuple)) else [result]
    if names is None:
        names = ["output"] if len(values) == 1 else [f"output_{index}" for index in range(len(values))]
    if len(names) != len(values):
        raise InvalidArgument(f"There are {len(values)} outputs and {len(names)} names: {', '.join(names)}.")
    return dict(zip(map(identifier, names), values, strict=True))


def identifier(name: str) -> str:
    """A name as TensorFlow lets a signature have it: other characters than letters, digits and ``_`` become ``_``."""
    return re.sub(r"\W", "_", name)


def _of_function(name: str, function: Any, outputs: Sequence[str] | None, holds: list[Any]) -> Endpoint:
    traced, specs, by_position = as_traced(function)
    plain = function[0] if isinstance(function, tuple) else traced.python_function

    def asking(one: Callable[..., Any]) -> Callable[[Tensors], Tensors]:
        def ask(tensors: Tensors) -> Tensors:
            given = {key: tensors[key] for key in specs}
            return named_outputs(one(*given.values()) if by_position else one(**given), outputs)

        return ask

    endpoint = trace(name, asking(traced), specs, asking(plain))
    owner = getattr(plain, "__self__", None)
    return Endpoint(name, endpoint.concrete, endpoint.reference, endpoint.signature, [*holds, owner])


def _of_module(module: Any, outputs: Sequence[str] | None) -> dict[str, Endpoint]:
    """Every ``tf.function`` with an input signature under its own name, one of them as the default."""
    found = {}
    for name in dir(type(module)):
        if (not name.startswith("_") or name == "__call__") and _input_signature(getattr(module, name, None)):
            found[name] = getattr(module, name)
    default = next((name for name in _DEFAULT_METHODS if name in found), None)
    if default is None and len(found) == 1:
        default = next(iter(found))
    if default is None:
        methods = f"its functions are {', '.join(found)}" if found else "it has no tf.function with an input signature"
        raise InvalidArgument(
            f"It is not clear what {type(module).__name__} answers: {methods}.",
            hint='Pass signatures={"serving_default": model.method}.',
        )
    named = {DEFAULT_SIGNATURE: found.pop(default), **found}
    return {name: _of_function(name, one, outputs, [module]) for name, one in named.items()}


def _input_signature(function: Any) -> Any:
    # Only a tf.function has both; a class may have an attribute of one of the names.
    return getattr(function, "input_signature", None) if hasattr(function, "get_concrete_function") else None


def _is_spec(spec: Any) -> bool:
    import tensorflow as tf

    return isinstance(spec, tf.TensorSpec)


def _spec(spec: Any) -> TensorSpec:
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return TensorSpec(spec.dtype.as_datatype_enum, shape)
