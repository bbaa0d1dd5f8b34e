"""``model.tflite`` beside what is published, where it answers alike."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taxiway.stores.directory import local_files
from taxiway.types import JsonObject
from taxiway.wire.saved_model import LITERT_FILE

__all__ = ["with_litert"]


@contextmanager
def with_litert(directory: Path, data: Any, *, anew: bool = False) -> Iterator[tuple[Path, JsonObject]]:
    """The files to publish, for as long as the block lasts, and what the manifest says of LiteRT.

    Args:
        directory: what would be published otherwise; it is not changed.
        data: rows to compare on; see :func:`taxiway.edge.optimize.litert_of`.
        anew: whether a LiteRT file that is there was made by this and is to be made again.
    """
    # As with a model in memory: this stage needs another one before it has all its files.
    from taxiway.edge.optimize import litert_of

    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        made, bare = Path(folder) / "made", Path(folder) / "bare"
        made.mkdir()
        if anew:
            _link(directory, bare, leave=LITERT_FILE)
            directory = bare
        found = litert_of(directory, made, data)
        if found["file"] is None:
            yield directory, found
            return
        _link(directory, made)
        yield made, found


def _link(directory: Path, into: Path, leave: str = "") -> None:
    for name, path in local_files(directory):
        if name != leave:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(path.absolute(), into / name)
