"""Rows from a file: JSON, a numpy array, or CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound

__all__ = ["read_rows"]


def read_rows(name: str) -> Any:
    """The inputs in a file, as :meth:`taxiway.Client.predict` takes them.

    ``.npy`` holds one array, ``.npz`` arrays by input name. ``.csv`` has a header of input names and a row a line; or
    no header and numbers only, for a model with one input. Anything else, and ``-`` (standard input), is JSON: an
    array, ``{"input": array}``, or TensorFlow Serving's ``{"inputs": …}`` and ``{"instances": …}``.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: it cannot be read as that.
    """
    path = Path(name)
    try:
        if path.suffix in (".npy", ".npz"):
            return _numpy(path)
        text = sys.stdin.read() if name == "-" else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{name} cannot be read: {error}") from None
    return _csv(text, name) if path.suffix == ".csv" else _json(text, name)


def _numpy(path: Path) -> Any:
    import zipfile

    import numpy as np

    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            return {name: loaded[name] for name in loaded.files} if path.suffix == ".npz" else loaded
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise InvalidArgument(f"{path} is no file of numpy arrays: {error}") from None


def _json(text: str, name: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name} is not JSON: {error}", hint="Other formats go by .npy, .npz or .csv.") from None
    if isinstance(document, dict):
        if "inputs" in document:
            return _bytes(document["inputs"])
        if "instances" in document:
            return _columns(_bytes(document["instances"]), name)
    return _bytes(document)


def _columns(instances: Any, name: str) -> Any:
    """Rows that are objects → columns by input name; other rows are the column of the one input."""
    if not isinstance(instances, list) or not instances:
        raise InvalidArgument(f"{name} has 'instances' that are no list of rows.")
    if not isinstance(instances[0], dict):
        return instances
    names = set(instances[0])
    if any(not isinstance(row, dict) or set(row) != names for row in instances):
        raise InvalidArgument(f"{name} has rows with different names; each needs {', '.join(sorted(names))}.")
    return {key: [row[key] for row in instances] for key in instances[0]}


def _bytes(value: Any) -> Any:
    """The value with each ``{"b64": …}`` in it as bytes."""
    if isinstance(value, list):
        return [_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"b64"} and isinstance(value["b64"], str):
        import base64
        import binascii

        try:
            return base64.b64decode(value["b64"], validate=True)
        except binascii.Error as error:
            raise InvalidArgument(f"{value['b64']!r} is not base64: {error}") from None
    return {key: _bytes(one) for key, one in value.items()}


def _csv(text: str, name: str) -> Any:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise InvalidArgument(f"{name} has no rows.")
    width = len(rows[0])
    if odd := next((index for index, row in enumerate(rows, 1) if len(row) != width), None):
        raise InvalidArgument(f"{name} has {len(rows[odd - 1])} cells in row {odd}, and {width} in the first.")
    if all(_is_number(cell) for cell in rows[0]):
        return [[_cell(cell) for cell in row] for row in rows]
    return {key: [_cell(row[index]) for row in rows[1:]] for index, key in enumerate(rows[0])}


def _cell(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return float(text) if _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
