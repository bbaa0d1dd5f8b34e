"""Where a rank waits for as long as a file is there: what is to be killed in an epoch cannot be done with it before."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from taxiway.train.context import Context

__all__ = ["callbacks", "shut"]


def shut(folder: Path, rank: int, epoch: int) -> Path:
    """Have a rank wait when it begins an epoch, until the file that is returned is removed.

    The job has :func:`callbacks` and the parameter ``gates``, which is the folder.
    """
    folder.mkdir(exist_ok=True)
    gate = folder / f"{rank}-{epoch}"
    gate.touch()
    return gate


def callbacks(context: Context) -> list[Any]:
    """What waits at the gates that are shut."""
    import keras

    class Gates(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            gate, pause = Path(context.params["gates"], f"{context.rank}-{epoch + 1}"), threading.Event()
            while gate.exists():
                pause.wait(0.05)

    return [Gates()] if "gates" in context.params else []
