"""Signatures that take tf.Examples: parsing inside the graph, in front of a signature that takes tensors.

Classify and Regress are TensorFlow Serving's: signatures with the method name and the tensor names that its calls of
those names look for. Their inputs are serialized ``tf.Example`` messages, made of the features that the model's own
inputs are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taxiway.errors import InvalidArgument
from taxiway.export.compare import BATCH_SIZES, Comparison, compare
from taxiway.export.endpoints import Endpoint, Tensors, trace
from taxiway.wire import messages
from taxiway.wire.made_up import made_up
from taxiway.wire.signatures import DEFAULT_SIGNATURE, TensorSpec, shape_text
from taxiway.wire.tensors import Array

__all__ = [
    "CLASSIFY_METHOD",
    "REGRESS_METHOD",
    "Classify",
    "Examples",
    "Derived",
    "Regress",
    "compare_parsing",
    "derived",
    "serialized",
    "wishes_of",
]

CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_FLOATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class Examples:
    """A signature for predict requests whose one input, ``examples``, is serialized ``tf.Example``s.

    Attributes:
        features: ``tf.io.FixedLenFeature`` by feature name, each an input of the signature ``of``; made from that
            signature's inputs when None.
        name: what the signature is called.
        of: the signature that answers.
    """

    features: Mapping[str, Any] | None = None
    name: str = "examples"
    of: str = DEFAULT_SIGNATURE


@dataclass(frozen=True)
class Classify:
    """A signature for Classify requests.

    Attributes:
        labels: what the classes are called, in the order of the scores; ``0``, ``1`` … when None. A single score, as
            of a sigmoid, is the second of two classes, and the first one's is what it lacks to 1.
        features: as of :class:`Examples`.
        output: which output holds the scores; may be left out when there is one.
        name: what the signature is called.
        of: the signature that answers.
    """

    labels: Sequence[str] | None = None
    features: Mapping[str, Any] | None = None
    output: str | None = None
    name: str = "classify"
    of: str = DEFAULT_SIGNATURE


@dataclass(frozen=True)
class Regress:
    """A signature for Regress requests; attributes as of :class:`Classify`, the output holds one number a row."""

    features: Mapping[str, Any] | None = None
    output: str | None = None
    name: str = "regress"
    of: str = DEFAULT_SIGNATURE


Wish = Examples | Classify | Regress


@dataclass(frozen=True)
class Derived:
    """An endpoint that takes examples, the one that answers, and the features it parses."""

    endpoint: Endpoint
    of: Endpoint
    features: Mapping[str, Any]

    def request(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Its own request for the same rows."""
        return {next(iter(self.endpoint.signature.inputs)): serialized(self.features, arrays)}


def derived(wishes: Sequence[Wish], endpoints: Mapping[str, Endpoint]) -> list[Derived]:
    """The endpoints that were asked for.

    Raises:
        InvalidArgument: a name is taken, an input has no fixed shape, labels are not as many as classes, or it is not
            clear which output is meant; the hint says what to pass.
    """
    taken = set(endpoints)
    found = []
    for wish in wishes:
        if wish.of not in endpoints:
            raise InvalidArgument(f"There is no signature {wish.of!r}; there are {', '.join(endpoints)}.")
        if wish.name in taken:
            raise InvalidArgument(f"There are two signatures {wish.name!r}.", hint="Call one otherwise: name=…")
        taken.add(wish.name)
        found.append(_derived(wish, endpoints[wish.of]))
    return found


def compare_parsing(one: Derived, base: Comparison, requests: Sequence[Mapping[str, Array]]) -> Comparison:
    """Hold an endpoint that parses to the one that answers.

    Args:
        one: the endpoint.
        base: how the one that answers compares with the model; where it cannot, neither can this.
        requests: this endpoint's warm-up requests; made up when there are none.

    Raises:
        FailedPrecondition: they differ.
    """
    if base.not_compared:
        return base
    asked = requests or [one.request(made_up(one.of.signature, max(BATCH_SIZES)))]
    return compare(one.endpoint, asked, base.rows)


def serialized(features: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    """Rows by input name as serialized ``tf.Example``s, an object array of ``bytes``."""
    rows = len(next(iter(arrays.values())))
    answer = np.empty(rows, object)
    for row in range(rows):
        example = messages.Example()
        for name, feature in features.items():
            values = np.asarray(arrays[name][row]).ravel()
            values = values.astype(np.int64) if feature.dtype.name == "int64" else values
            _list_of(example.features.feature[name], feature.dtype.name).extend(values.tolist())
        answer[row] = example.SerializeToString()
    return answer


def _derived(wish: Wish, base: Endpoint) -> Derived:
    features = _features(wish.features, base)
    answer, input_name, method = _answer(wish, base)

    def asking(parse_and: Callable[[Tensors], Tensors]) -> Callable[[Tensors], Tensors]:
        return lambda tensors: answer(parse_and(_parsed(tensors[input_name], features, base)))

    import tensorflow as tf

    spec = tf.TensorSpec([None], tf.string, input_name)
    # The base is held to the model; what is left to hold to something is the parsing, step by step, before it.
    call = asking(lambda tensors: base.concrete(**tensors))
    endpoint = trace(wish.name, call, {input_name: spec}, call)
    signature = replace(endpoint.signature, method_name=method)
    endpoint = replace(endpoint, signature=signature, holds=base.holds, against=f"signature {base.name}")
    return Derived(endpoint, base, features)


def wishes_of(classify: Any, regress: Any, examples: Any) -> list[Wish]:
    """What ``export`` was told, in full: True for everything by itself, labels or features alone.

    Raises:
        InvalidArgument: it was told something else.
    """
    found: list[Wish] = []
    if classify is not None and classify is not False:
        is_labels = isinstance(classify, Sequence) and not isinstance(classify, str)
        found.append(Classify(list(classify)) if is_labels else Classify() if classify is True else classify)
    if regress is not None and regress is not False:
        found.append(Regress() if regress is True else regress)
    if examples is not None and examples is not False:
        found.append(
            Examples(dict(examples)) if isinstance(examples, Mapping) else Examples() if examples is True else examples
        )
    for wish in found:
        if not isinstance(wish, Wish):
            raise InvalidArgument(
                f"{wish!r} does not say which signature is wanted.",
                hint="Pass True, labels, or Classify(…), Regress(…).",
            )
    return found


def _answer(wish: Wish, base: Endpoint) -> tuple[Callable[[Tensors], Tensors], str, str]:
    """What becomes of the base's outputs; what the one input is called; the method name, empty for predict."""
    if isinstance(wish, Examples):
        return lambda outputs: outputs, "examples", ""
    name, spec = _output(wish, base)
    if isinstance(wish, Classify):
        return _classifying(name, spec, wish.labels), "inputs", CLASSIFY_METHOD
    if spec.shape is None or len(spec.shape) not in (1, 2) or spec.shape[1:] not in ((), (1,)):
        raise InvalidArgument(f"Regress takes one number a row; {name!r} is {shape_text(spec.shape)}.")
    return lambda outputs: {"outputs": _float32(outputs[name])}, "inputs", REGRESS_METHOD


def _output(wish: Classify | Regress, base: Endpoint) -> tuple[str, TensorSpec]:
    outputs = base.signature.outputs
    if wish.output is None and len(outputs) > 1:
        raise InvalidArgument(
            f"{base.name!r} has the outputs {', '.join(outputs)}; it is not clear which one {wish.name!r} answers.",
            hint=f'{type(wish).__name__}(output="{next(iter(outputs))}")',
        )
    name = wish.output if wish.output is not None else next(iter(outputs))
    if name not in outputs:
        raise InvalidArgument(f"{base.name!r} has no output {name!r}; it has {', '.join(outputs)}.")
    if outputs[name].dtype_name not in _FLOATS:
        raise InvalidArgument(f"{wish.name!r} answers floating-point numbers; {name!r} is {outputs[name].dtype_name}.")
    return name, outputs[name]


def _classifying(name: str, spec: TensorSpec, labels: Sequence[str] | None) -> Callable[[Tensors], Tensors]:
    import tensorflow as tf

    if spec.shape is None or len(spec.shape) not in (1, 2):
        raise InvalidArgument(f"Classify takes a score a class and row; {name!r} is {shape_text(spec.shape)}.")
    if isinstance(labels, str):
        raise InvalidArgument(f"labels is the text {labels!r}.", hint="Pass a list of texts.")
    single = spec.shape[1:] in ((), (1,))
    classes = 2 if single else spec.shape[1]
    if labels is None and classes is None:
        raise InvalidArgument(f"How many classes {name!r} has is not known.", hint="Classify(labels=[…])")
    names = [str(number) for number in range(classes or 0)] if labels is None else list(labels)
    if classes is not None and len(names) != classes:
        raise InvalidArgument(
            f"There are {len(names)} labels and {classes} classes in {name!r}.",
            hint="Give a label for each class, in the order of the scores.",
        )
    if repeated := sorted({one for one in names if names.count(one) > 1}):
        raise InvalidArgument(f"The label {repeated[0]!r} is there twice.")

    def answer(outputs: Tensors) -> Tensors:
        scores = _float32(outputs[name])
        if single:
            chance = tf.reshape(scores, [-1, 1])
            scores = tf.concat([1.0 - chance, chance], axis=1)
        scores = tf.ensure_shape(scores, [None, len(names)])
        texts = tf.tile(tf.constant([names]), [tf.shape(scores)[0], 1])
        return {"classes": texts, "scores": scores}

    return answer


def _float32(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tensor, tf.float32)


def _parsed(serialized: Any, features: Mapping[str, Any], base: Endpoint) -> Tensors:
    """The base's inputs, as it takes them, out of examples."""
    import tensorflow as tf

    parsed = tf.io.parse_example(serialized, dict(features))
    found = {}
    for name, spec in base.signature.inputs.items():
        shape = spec.shape or ()
        found[name] = tf.reshape(tf.cast(parsed[name], tf.as_dtype(spec.number)), [-1, *shape[1:]])
    return found


def _features(given: Mapping[str, Any] | None, base: Endpoint) -> dict[str, Any]:
    made = dict(_made(base))
    if given is None:
        return made
    if set(given) != set(made):
        raise InvalidArgument(
            f"The features {', '.join(sorted(given))} are not the inputs of {base.name!r}: {', '.join(sorted(made))}."
        )
    import tensorflow as tf

    for name, feature in given.items():
        if not isinstance(feature, tf.io.FixedLenFeature):
            raise InvalidArgument(
                f"The feature {name!r} is a {type(feature).__name__}, which parses to rows of different lengths.",
                hint="Pass a tf.io.FixedLenFeature.",
            )
        text = (feature.dtype == tf.string) != (made[name].dtype == tf.string)
        if text or math.prod(tf.TensorShape(feature.shape).as_list()) != math.prod(made[name].shape):
            spec = base.signature.inputs[name]
            raise InvalidArgument(
                f"The feature {name!r} is {tf.as_dtype(feature.dtype).name} {list(feature.shape)}; "
                f"the input is {spec.dtype_name} {shape_text(spec.shape)}."
            )
    return {name: tf.io.FixedLenFeature(f.shape, tf.as_dtype(f.dtype), f.default_value) for name, f in given.items()}


def _made(base: Endpoint) -> Iterator[tuple[str, Any]]:
    """A feature for each input, of the type that an example has for it."""
    import tensorflow as tf

    for name, spec in base.signature.inputs.items():
        if not spec.shape or spec.shape[0] is not None or None in spec.shape[1:]:
            raise InvalidArgument(
                f"An example cannot hold a row of {name!r}: its shape is {shape_text(spec.shape)}.",
                hint="Give the input a fixed shape after the free first dimension.",
            )
        dtype = tf.string if spec.dtype.is_string else tf.float32 if spec.dtype_name in _FLOATS else tf.int64
        yield name, tf.io.FixedLenFeature([size or 0 for size in spec.shape[1:]], dtype)


def _list_of(feature: Any, dtype: str) -> Any:
    lists = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}
    return getattr(feature, lists[dtype]).value
