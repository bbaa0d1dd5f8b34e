"""Exporting a model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from taxiway.errors import AlreadyExists, InvalidArgument
from taxiway.export.check import check_frozen
from taxiway.export.compare import Comparison, compare
from taxiway.export.endpoints import Endpoint, endpoints_of
from taxiway.export.warm_up import requests_of, write_warm_up
from taxiway.wire.saved_model import EXPORT_FILE, read_saved_model
from taxiway.wire.signatures import Signature

if TYPE_CHECKING:
    from taxiway.wire.tensors import Array

__all__ = ["ExportOptions", "Exported", "Function", "Rows", "export"]

Function: TypeAlias = "Callable[..., Any] | tuple[Callable[..., Any], Sequence[Any]]"
"""A ``tf.function`` with an input signature, or (function, list of ``tf.TensorSpec``)."""

Rows: TypeAlias = "Array | Mapping[str, Any] | Sequence[Mapping[str, Any]]"
"""Real inputs: an array (one input), arrays by input name, the same by signature name, or a list of whole requests."""


class ExportOptions(TypedDict, total=False):
    """What can be said about an export; see :func:`export`."""

    signatures: Mapping[str, Function] | None
    preprocess: Function | None
    warm_up: Rows | None
    outputs: Sequence[str] | None


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the SavedModel's directory.
        signatures: by name, as they stand in the file.
        warm_up_requests: how many there are.
        comparisons: by signature, how far its answers are from the model's own; kept in ``EXPORT_FILE`` too.
    """

    path: Path
    signatures: Mapping[str, Signature]
    warm_up_requests: int
    comparisons: Mapping[str, Comparison]


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    signatures: Mapping[str, Function] | None = None,
    preprocess: Function | None = None,
    warm_up: Rows | None = None,
    outputs: Sequence[str] | None = None,
) -> Exported:
    """Write a model as a SavedModel that answers as the model does.

    A Keras model is always exported for inference. An export is refused when answering would change a variable, and
    when what was exported answers otherwise than the model: than ``predict`` of a Keras model, at batches of 1, 3 and 8
    rows. The rows are those of ``warm_up``, or made up from the signature.

    Args:
        model: a built Keras model, a ``tf.Module``, a ``tf.function`` with an input signature, or
            (function, list of ``tf.TensorSpec``).
        path: a directory, empty or new.
        signatures: functions by signature name. Without: ``serving_default``, and for a ``tf.Module`` each of its
            ``tf.function`` methods that has an input signature, under its own name.
        preprocess: what turns raw inputs into the Keras model's own, inside the graph. A plain function takes tensors
            like the model's inputs.
        warm_up: real rows, kept as requests that a server runs before it serves. An array or a dictionary of arrays is
            for ``serving_default``; its first rows are kept one by one and all together.
        outputs: names for the outputs, in order, of functions that return tensors without names.

    Returns:
        What was written.

    Raises:
        AlreadyExists: ``path`` holds something.
        InvalidArgument: the model, a signature, or the rows cannot be used; the message says why.
        FailedPrecondition: the export would not answer as the model does.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExists(f"{target} is there already and not empty.", hint="Export into a new directory.")
    endpoints = endpoints_of(model, signatures, preprocess, outputs)
    for endpoint in endpoints.values():
        check_frozen(endpoint)
    requests = requests_of(warm_up, endpoints) if warm_up is not None else []
    comparisons = {
        name: compare(endpoint, [arrays for asked, arrays in requests if asked == name])
        for name, endpoint in endpoints.items()
    }
    _write(endpoints, target)
    written = write_warm_up(target, requests) if requests else 0
    said = {"schema": 1, "comparison": {name: one.as_json() for name, one in comparisons.items()}}
    write_beside(target, EXPORT_FILE, said)
    return Exported(target, read_saved_model(target).signatures, written, comparisons)


def write_beside(target: Path, name: str, document: Mapping[str, Any]) -> None:
    """Put a JSON document beside the graph."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write(endpoints: Mapping[str, Endpoint], target: Path) -> None:
    import tensorflow as tf

    # What is saved holds the variables and tables that the functions use, and nothing else of the model: a Keras model
    # inside a tf.Module converts to LiteRT as a file of NaN, its variables held like this convert exactly.
    holder = tf.Module()
    holder.captured = [list(endpoint.concrete.variables) for endpoint in endpoints.values()]
    holder.resources = list(_resources(endpoints))
    concrete = {name: endpoint.concrete for name, endpoint in endpoints.items()}
    try:
        tf.saved_model.save(holder, str(target), signatures=concrete)
    except AssertionError as error:
        raise InvalidArgument(
            f"A signature uses something that hangs on no model: {str(error).splitlines()[0]}",
            hint="Keep tables and files as attributes of the tf.Module or Keras model that is exported.",
        ) from None


def _resources(endpoints: Mapping[str, Endpoint]) -> Iterator[Any]:
    """The tables and files below the objects that the endpoints hold."""
    import tensorflow as tf

    kinds = (tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)
    seen: set[int] = set()
    for endpoint in endpoints.values():
        for root in endpoint.holds:
            if not hasattr(root, "_trackable_children"):
                continue
            for one in tf.train.TrackableView(root).descendants():
                if isinstance(one, kinds) and id(one) not in seen:
                    seen.add(id(one))
                    yield one
