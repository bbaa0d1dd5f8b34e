"""Texts at the door of a SavedModel: the graph is cut where texts have become numbers.

What stands before the border is a tokeniser, which is written down (:class:`.tokeniser.Tokeniser`) and held to the
graph itself; what follows is numeric, and becomes a SavedModel of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.graphs import Frozen, freeze, save_frozen
from taxiway.artifacts.tokeniser import IDS, PROBES, Tokeniser
from taxiway.errors import FailedPrecondition

__all__ = ["split_texts", "tokens_of_graph"]

_HINT = (
    "Export a signature of the numeric part, what follows the tokeniser, and name it with --signature; "
    "or build from the Keras file."
)
_LOOKUPS = ("LookupTableFind", "LookupTableFindV2")
_FIRST_WORD = 2
# What Keras' tokenisers do with texts, beside moving them about; all else would need a document of its own.
_PUNCTUATION = b"[!\"#$%&()\\*\\+,-\\./:;<=>?@\\[\\\\\\]^_`{|}~\\']"
_MOVING = {"Placeholder", "Identity", "Reshape", "Squeeze", "ExpandDims", "Shape", "RaggedTensorToTensor"}
_KERAS = {"StringLower", "StaticRegexReplace", "StringSplitV2", "UnicodeDecode", "UnicodeEncode"}
_ASKING = {"Equal", "NotEqual", *_LOOKUPS}
_CLOSE = 1e-5


def split_texts(saved_model: str, signature: str, out: str) -> dict[str, Any]:
    """Save what follows the tokeniser of a signature into the directory ``out``, under the same name.

    Returns:
        ``tokeniser``, as a document.

    Raises:
        FailedPrecondition: texts do not become numbers at one place, or not as a document can say.
    """
    import tensorflow as tf

    frozen = freeze(saved_model, signature)
    name, border = _border(frozen)
    table = _table(frozen)
    vocabulary = _vocabulary(table)
    probes = _probes(vocabulary)
    told = _described(name, vocabulary, border.shape[1], probes, _ids(frozen, name, border.name, probes))
    graph = _after(frozen, border)
    spec = tf.TensorSpec(border.shape, border.dtype)
    save_frozen(graph, {IDS: (border.name, spec)}, frozen.outputs, signature, out)
    _check(frozen, name, signature, out, told, probes)
    return {"tokeniser": told.as_json()}


def tokens_of_graph(saved_model: str, signature: str, texts: str, out: str) -> dict[str, Any]:
    """What the graph makes of texts; both as ``arrays.save`` writes them, the answer as ``ids``."""
    frozen = freeze(saved_model, signature)
    name, border = _border(frozen)
    save(out, {IDS: _ids(frozen, name, border.name, load(texts)["texts"].tolist())})
    return {}


def _border(frozen: Frozen) -> tuple[str, Any]:
    """The text input, and the first tensor of whole numbers that everything after the texts goes through."""
    import tensorflow as tf

    texts = [name for name, one in frozen.inputs.items() if one.dtype == tf.string]
    if len(frozen.inputs) != 1:
        raise _refused("the signature has inputs beside the text")
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(frozen.graph, name="")
    text = graph.get_tensor_by_name(frozen.inputs[texts[0]].name)
    outputs = {graph.get_tensor_by_name(one).op for one in frozen.outputs.values()}
    reached = _reached(text.op, None)
    if not reached & outputs:
        raise _refused("no answer depends on the text")
    textual = {one for one in reached if _is_textual(one)}
    found = []
    for operation in reached:
        before = _reached(text.op, operation)
        if _fits(operation) and not before & outputs and textual <= before | {operation}:
            found.append((len(before), operation.outputs[0]))
    if not found:
        raise _refused("the texts do not become rows of whole numbers, as many for each, at one place")
    border = min(found, key=lambda one: one[0])[1]
    for operation in sorted(textual, key=lambda one: str(one.name)):
        if operation is not border.op and (strange := _strange(operation)):
            raise _refused(f"{strange} stands before the words' table, so it is none of Keras' own")
    return texts[0], border


def _strange(operation: Any) -> str:
    """What an operation does to texts that no tokeniser of Keras does; empty when that is nothing."""
    kind = operation.type
    if "string" not in {one.dtype.name for one in (*operation.inputs, *operation.outputs)}:
        return ""
    if kind == "StaticRegexReplace":
        pattern, rewrite = operation.get_attr("pattern"), operation.get_attr("rewrite")
        whole = operation.get_attr("replace_global")
        if (pattern, rewrite, whole) != (_PUNCTUATION, b"", True):
            return f"{kind} of {pattern.decode(errors='replace')!r} by {rewrite.decode(errors='replace')!r}"
    if kind == "UnicodeEncode":
        source = operation.inputs[0].op
        while source.type in _MOVING and source.inputs:
            source = source.inputs[0].op
        return "" if source.type == "UnicodeDecode" else f"{kind} of what {source.type} answers"
    return "" if kind in _MOVING | _KERAS | _ASKING else str(kind)


def _refused(why: str) -> FailedPrecondition:
    return FailedPrecondition(f"The tokeniser cannot be split off: {why}.", hint=_HINT)


def _reached(start: Any, without: Any) -> set[Any]:
    """The operations that depend on another one, other than by way of ``without``."""
    found, left = {start}, [start]
    while left:
        for tensor in left.pop().outputs:
            new = {one for one in tensor.consumers() if one is not without} - found
            found |= new
            left += new
    return found


def _is_textual(operation: Any) -> bool:
    """Whether it has to do with texts, tables, or rows of different lengths."""
    kinds = {one.dtype.name for one in (*operation.inputs, *operation.outputs)}
    return bool(kinds & {"string", "resource"}) or operation.type.startswith("Ragged")


def _fits(operation: Any) -> bool:
    """Whether it answers rows of whole numbers, as many for each."""
    if len(operation.outputs) != 1 or not operation.outputs[0].dtype.is_integer:
        return False
    shape = operation.outputs[0].shape
    return shape.rank == 2 and shape[0] is None and shape[1] is not None


def _table(frozen: Frozen) -> Any:
    """The table that words are looked up in."""
    nodes = {node.name: node for node in frozen.graph.node}
    lookups = [node for node in frozen.graph.node if node.op in _LOOKUPS]
    if len(lookups) != 1:
        raise _refused(f"words are looked up in {len(lookups)} tables")
    name = lookups[0].input[0].partition(":")[0]
    while nodes[name].op == "Identity":
        name = nodes[name].input[0].partition(":")[0]
    if name not in frozen.resources:
        raise _refused("its table is none that was loaded")
    return frozen.resources[name]


def _vocabulary(table: Any) -> list[str]:
    """The words, in the order of their numbers, which begin at 2 as Keras' do."""
    import tensorflow as tf

    try:
        keys, values = tf.raw_ops.LookupTableExportV2(table_handle=table, Tkeys=tf.string, Tvalues=tf.int64)
        words = {int(number): key.decode() for key, number in zip(keys.numpy(), values.numpy(), strict=True)}
    except (tf.errors.OpError, UnicodeDecodeError):
        raise _refused("its table does not map words to numbers") from None
    known = {number: word for number, word in words.items() if number >= _FIRST_WORD}
    if sorted(known) != list(range(_FIRST_WORD, len(known) + _FIRST_WORD)):
        raise _refused("its words are not numbered from 2 on, as Keras numbers them")
    return [known[number] for number in sorted(known)]


def _probes(vocabulary: Sequence[str]) -> list[str]:
    """Texts that tell tokenisers apart."""
    some = [*vocabulary[:25], *vocabulary[-25:]]
    words = [" ".join(some[at : at + 5]) for at in range(0, len(some), 5)]
    changed = [(one.upper(), one.replace(" ", ", "), one.replace(" ", "\t\n"), one.replace(" ", "")) for one in words]
    return [*PROBES, *words, *itertools.chain(*changed)]


def _described(name: str, vocabulary: list[str], length: int, probes: list[str], ids: Any) -> Tokeniser:
    """The tokeniser that makes these numbers of the probes."""
    for lower, strip, split in itertools.product((True, False), (True, False), ("whitespace", "character")):
        told = Tokeniser(name, lower, strip, split, length, vocabulary)
        if np.array_equal(told.ids(probes), ids):
            return told
    raise _refused("it is none of Keras' own, so no document says what it does")


def _ids(frozen: Frozen, name: str, border: str, texts: list[str]) -> Any:
    """What the graph makes of texts."""
    import tensorflow as tf

    places = {frozen.inputs[name].name: _as_input(frozen, name, texts)}
    places |= {f"{key}:0": one for key, one in frozen.resources.items()}

    def run() -> Any:
        given = {key: tf.identity(one) for key, one in places.items()}
        return tf.import_graph_def(frozen.graph, input_map=given, return_elements=[border], name="")[0]

    return tf.function(run)().numpy().astype(np.int64)


def _as_input(frozen: Frozen, name: str, texts: list[str]) -> Any:
    """Texts in the shape that the signature takes: one in a row, or a column of them."""
    import tensorflow as tf

    return tf.reshape(tf.constant(texts), [-1] + [1] * (frozen.inputs[name].shape.rank - 1))


def _after(frozen: Frozen, border: Any) -> Any:
    """The graph from the border on: there, a placeholder."""
    import tensorflow as tf

    graph = type(frozen.graph)()
    graph.CopyFrom(frozen.graph)
    for one in graph.node:
        # What only waits for the tokeniser to have run does not need it.
        data = [name for name in one.input if not name.startswith("^")]
        del one.input[:]
        one.input.extend(data)
    node = next(one for one in graph.node if one.name == border.op.name)
    node.Clear()
    node.name, node.op = border.op.name, "Placeholder"
    node.attr["dtype"].type = border.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(border.shape.as_proto())
    names = [one.partition(":")[0] for one in frozen.outputs.values()]
    return tf.compat.v1.graph_util.extract_sub_graph(graph, names)


def _check(frozen: Frozen, name: str, signature: str, out: str, told: Tokeniser, probes: list[str]) -> None:
    """See that the whole answers as its parts do."""
    import tensorflow as tf

    whole = frozen.function(**{name: _as_input(frozen, name, probes)})
    loaded = tf.saved_model.load(out)
    rest = loaded.signatures[signature]
    parts = rest(**{IDS: tf.constant(told.ids(probes), rest.structured_input_signature[1][IDS].dtype)})
    for key, one in whole.items():
        if not np.allclose(one, parts[key], rtol=_CLOSE, atol=_CLOSE):
            raise _refused(f"cut off, the rest answers {key!r} otherwise")
