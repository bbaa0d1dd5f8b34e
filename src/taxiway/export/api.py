"""Exporting a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from taxiway.errors import AlreadyExists
from taxiway.export.check import check_frozen
from taxiway.export.compare import Comparison, compare
from taxiway.export.endpoints import endpoints_of
from taxiway.export.examples import Classify, Examples, Regress, compare_parsing, derived, wishes_of
from taxiway.export.profiled import ProfileRows, profile_of
from taxiway.export.warm_up import Request, requests_of, write_warm_up
from taxiway.export.write import staged, write_beside, write_graph
from taxiway.profile import Profile
from taxiway.wire.saved_model import EXPORT_FILE, PROFILE_FILE, read_saved_model
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
    classify: Classify | Sequence[str] | bool | None
    regress: Regress | bool | None
    examples: Examples | Mapping[str, Any] | bool | None
    profile: ProfileRows | tuple[Rows, Any] | Rows | None


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the SavedModel's directory.
        signatures: by name, as they stand in the file.
        warm_up_requests: how many there are.
        comparisons: by signature, how far its answers are from the model's own; kept in ``EXPORT_FILE`` too.
        profile: what the training rows look like; kept in ``PROFILE_FILE``; None when none were given.
    """

    path: Path
    signatures: Mapping[str, Signature]
    warm_up_requests: int
    comparisons: Mapping[str, Comparison]
    profile: Profile | None = None


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    signatures: Mapping[str, Function] | None = None,
    preprocess: Function | None = None,
    warm_up: Rows | None = None,
    outputs: Sequence[str] | None = None,
    classify: Classify | Sequence[str] | bool | None = None,
    regress: Regress | bool | None = None,
    examples: Examples | Mapping[str, Any] | bool | None = None,
    profile: ProfileRows | tuple[Rows, Any] | Rows | None = None,
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
        classify: adds a signature for TensorFlow Serving's Classify; labels in the order of the scores, True for
            numbers, or a :class:`Classify` that says more.
        regress: adds a signature for Regress.
        examples: adds a signature for predict requests that are serialized ``tf.Example``s: True for features made
            from the inputs, ``tf.io.FixedLenFeature`` by name, or an :class:`Examples`.
        profile: training rows, or (rows, answers), or :class:`ProfileRows` with validation rows too: a bounded summary
            of them and of the model's scores is kept with the model (see :mod:`taxiway.profile`).

    Returns:
        What was written.

    Raises:
        AlreadyExists: ``path`` holds something.
        InvalidArgument: the model, a signature, or the rows cannot be used; the message says why.
        FailedPrecondition: the export would not answer as the model does, or the place cannot be written.
        ResourceExhausted: the disk is full.

    Whatever is raised, ``path`` is as it was.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExists(f"{target} is there already and not empty.", hint="Export into a new directory.")
    wishes = wishes_of(classify, regress, examples)
    endpoints = endpoints_of(model, signatures, preprocess, outputs)
    for endpoint in endpoints.values():
        check_frozen(endpoint)
    parsing = derived(wishes, endpoints)
    requests = requests_of(warm_up, endpoints) if warm_up is not None else []
    comparisons = {name: compare(one, _for(name, requests)) for name, one in endpoints.items()}
    for one in parsing:
        asked = [(one.endpoint.name, one.request(arrays)) for arrays in _for(one.of.name, requests)]
        comparisons[one.endpoint.name] = compare_parsing(one, comparisons[one.of.name], [arrays for _, arrays in asked])
        requests += asked
    profiled = profile_of(profile, endpoints) if profile is not None else None
    endpoints |= {one.endpoint.name: one.endpoint for one in parsing}
    with staged(target) as folder:
        write_graph(endpoints, folder)
        known = {name: one.signature for name, one in endpoints.items()}
        written = write_warm_up(folder, requests, known) if requests else 0
        said = {"schema": 1, "comparison": {name: one.as_json() for name, one in comparisons.items()}}
        write_beside(folder, EXPORT_FILE, said)
        if profiled is not None:
            write_beside(folder, PROFILE_FILE, profiled.as_json())
    return Exported(target, read_saved_model(target).signatures, written, comparisons, profiled)


def _for(name: str, requests: Sequence[Request]) -> list[dict[str, Array]]:
    return [arrays for asked, arrays in requests if asked == name]
