"""Endpoints → a SavedModel's files, and documents beside it."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, TaxiwayError
from taxiway.export.endpoints import Endpoint
from taxiway.wire.saved_model import SAVED_MODEL_FILE

__all__ = ["staged", "write_beside", "write_graph"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A directory to write into, which becomes ``target`` when the block ends well and is gone when it does not.

    Raises:
        ResourceExhausted: the disk is full.
        FailedPrecondition: it cannot be written for another reason.
    """
    import tensorflow as tf

    beside = target.parent / f".{target.name}-{secrets.token_hex(8)}"
    try:
        beside.mkdir(parents=True)
        yield beside
        beside.rename(target)
    except OSError as error:
        raise _unwritten(target, error.errno in _FULL, error.strerror or str(error)) from None
    except tf.errors.OpError as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError) or os.strerror(errno.ENOSPC) in str(error)
        raise _unwritten(target, full, str(error.message).splitlines()[0]) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unwritten(target: Path, full: bool, why: str) -> TaxiwayError:
    if full:
        return ResourceExhausted(f"No room is left to export to {target}: {why}.", hint="Make room and try again.")
    return FailedPrecondition(f"{target} cannot be written: {why}.")


def write_beside(target: Path, name: str, document: Mapping[str, Any]) -> None:
    """Put a JSON document beside the graph."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_graph(endpoints: Mapping[str, Endpoint], target: Path) -> None:
    """Write the SavedModel of the endpoints.

    Raises:
        InvalidArgument: an endpoint uses a table or file that nothing keeps.
    """
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
    methods = {name: one.signature.method_name for name, one in endpoints.items() if one.signature.method_name}
    if methods:
        _name_methods(target / SAVED_MODEL_FILE, methods)


def _name_methods(path: Path, methods: Mapping[str, str]) -> None:
    """Say which of TensorFlow Serving's calls a signature is for; TensorFlow 2 writes predict in every one."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for name, method in methods.items():
        file.meta_graphs[0].signature_def[name].method_name = method
    path.write_bytes(file.SerializeToString(deterministic=True))


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
