"""What a saved_model.pb says of itself, read without TensorFlow."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from taxiway.errors import DataLoss, InvalidArgument, NotFound
from taxiway.types import JsonObject
from taxiway.wire import messages
from taxiway.wire.signatures import Signature, signature_of

__all__ = [
    "EXPORT_FILE",
    "LITERT_FILE",
    "PROFILE_FILE",
    "SAVED_MODEL_FILE",
    "SavedModel",
    "read_beside",
    "read_saved_model",
]

SAVED_MODEL_FILE = "saved_model.pb"
LITERT_FILE = "model.tflite"
"""What may stand beside it, or in its place."""
EXPORT_FILE = "assets.extra/taxiway_export.json"
"""What an export says of itself: how far its answers are from the model's own."""
PROFILE_FILE = "assets.extra/taxiway_profile.json"
"""What the training rows look like; see :mod:`taxiway.profile`."""
# TensorFlow keeps signatures of its own under names that begin so: they initialise and train, and answer nobody.
_INTERNAL = "__"


@dataclass(frozen=True)
class SavedModel:
    """One graph of a SavedModel.

    Attributes:
        signatures: by name; those TensorFlow keeps for itself left out.
        ops: how often each op stands in the graph and its functions.
        functions: how many functions its library has.
        tensorflow_version: which TensorFlow wrote it; empty when it does not say.
        tags: what the graph is for, ``serve``.
    """

    signatures: Mapping[str, Signature]
    ops: Mapping[str, int]
    functions: int
    tensorflow_version: str
    tags: tuple[str, ...]


def read_saved_model(directory: str | os.PathLike[str], tag: str = "serve") -> SavedModel:
    """Read the graph with ``tag`` of the SavedModel in ``directory``.

    Raises:
        NotFound: the directory has no saved_model.pb.
        DataLoss: the file is no SavedModel.
        InvalidArgument: no graph has the tag.
    """
    path = Path(directory) / SAVED_MODEL_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no {SAVED_MODEL_FILE} in {directory}.") from None
    try:
        file = messages.SavedModel.FromString(data)
    except DecodeError:
        raise DataLoss(f"{path} is no SavedModel: its {len(data)} bytes do not parse.") from None
    graphs = [graph for graph in file.meta_graphs if tag in graph.meta_info.tags]
    if not graphs:
        found = [list(graph.meta_info.tags) for graph in file.meta_graphs]
        raise InvalidArgument(f"{path} has no graph for {tag!r}; its graphs are tagged {found}.")
    return _read_graph(graphs[0])


def read_beside(directory: str | os.PathLike[str], name: str) -> JsonObject | None:
    """The JSON document ``name`` that an export wrote beside its graph; None when there is none.

    Raises:
        DataLoss: it is no JSON object.
    """
    path = Path(directory) / name
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise DataLoss(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DataLoss(f"{path} holds no object.")
    return document


def _read_graph(graph: messages.MetaGraph) -> SavedModel:
    ops = Counter(node.op for node in graph.graph.nodes)
    for function in graph.graph.library.functions:
        ops.update(node.op for node in function.nodes)
    names = sorted(name for name in graph.signature_def if not name.startswith(_INTERNAL))
    return SavedModel(
        signatures={name: signature_of(graph.signature_def[name]) for name in names},
        ops=dict(ops.most_common()),
        functions=len(graph.graph.library.functions),
        tensorflow_version=graph.meta_info.tensorflow_version,
        tags=tuple(graph.meta_info.tags),
    )
