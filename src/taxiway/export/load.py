"""A Keras model out of a file."""

from __future__ import annotations

import json
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound

__all__ = ["load_keras"]


def load_keras(path: str | os.PathLike[str]) -> Any:
    """The model in a ``.keras`` or ``.h5`` file, without what it was compiled with.

    A file of Keras 2 is loaded by tf-keras where that is installed. Code inside a file (``Lambda`` layers) is not run.

    Raises:
        NotFound: there is no such file.
        FailedPrecondition: Keras is not installed.
        DataLoss: it is no Keras file.
        InvalidArgument: the model has layers that are not known here, or code inside it.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    if find_spec("keras") is None and find_spec("tf_keras") is None:
        raise FailedPrecondition(f"{file} is a Keras model, and Keras is not installed.", hint="pip install keras")
    version = _written_by(file)
    if find_spec("keras") is None or (version.startswith("2.") and find_spec("tf_keras") is not None):
        from tf_keras.models import load_model
    else:
        from keras.saving import load_model
    try:
        return load_model(file, compile=False)
    except Exception as error:  # noqa: BLE001  a file may hold anything, and Keras raises what it likes
        sentence = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InvalidArgument(
            f"{file} cannot be loaded: {sentence[:300]}",
            hint="Where the layers' code is known, load it there and call taxiway.publish(model, …).",
        ) from None


def _written_by(file: Path) -> str:
    """The version of Keras that wrote it."""
    try:
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        import h5py  # type: ignore[import-untyped]

        with h5py.File(file, "r") as stored:
            written = stored.attrs.get("keras_version", "")
            return written.decode() if isinstance(written, bytes) else str(written)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        raise DataLoss(f"{file} is no Keras file: {type(error).__name__}: {error}") from None
