"""What looks on while the chief trains: each part is told what happens, and none of them can end the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taxiway.train.history import Entry

__all__ = ["Part", "Watch"]


class Part:
    """One thing that looks on; every method may be left as it is, doing nothing."""

    def begin(self, history: Sequence[Entry]) -> None:
        """The training begins, after the epochs of ``history``."""

    def epoch(self, epoch: int, steps: int | None) -> None:
        """An epoch begins: its number from 1, its batches when they are known. Here a part may refuse the request."""

    def batch_begin(self, batch: int) -> None:
        """A training batch begins, counted from 1."""

    def batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """A training batch is done; ``logs`` holds the means so far, when the loop knows them."""

    def trained(self) -> None:
        """The epoch's last batch is done."""

    def keep(self, history: Sequence[Entry]) -> None:
        """An epoch is done and its checkpoint written; it is the last one of ``history``."""

    def close(self) -> None:
        """The training ends, well or not."""


class Watch(Part):
    """Passes everything on to several parts.

    A part that raises is told nothing more, and what it raised is said: a picture that cannot be drawn is no reason to
    lose a model. Only what :meth:`epoch` raises goes through.

    Args:
        parts: who is told; none on ranks that only work.
        say: told of a part that failed.
    """

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self._parts, self._say = list(parts), say

    def begin(self, history: Sequence[Entry]) -> None:
        """Tell of the beginning."""
        self._tell(lambda part: part.begin(history))

    def epoch(self, epoch: int, steps: int | None) -> None:
        """Tell of an epoch."""
        for part in self._parts:
            part.epoch(epoch, steps)

    def batch_begin(self, batch: int) -> None:
        """Tell of a batch."""
        self._tell(lambda part: part.batch_begin(batch))

    def batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Tell of a batch that is done."""
        self._tell(lambda part: part.batch_end(batch, logs))

    def trained(self) -> None:
        """Tell that an epoch's batches are done."""
        self._tell(lambda part: part.trained())

    def keep(self, history: Sequence[Entry]) -> None:
        """Tell that an epoch is kept."""
        self._tell(lambda part: part.keep(history))

    def close(self) -> None:
        """Tell that the training ends."""
        self._tell(lambda part: part.close())

    def callbacks(self) -> list[Any]:
        """Keras callbacks through which the loops tell of batches."""
        if not self._parts:
            return []
        import keras

        watch = self

        class Batches(keras.callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                watch.batch_begin(batch + 1)

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                watch.batch_end(batch + 1, logs or {})

        return [Batches()]

    def _tell(self, what: Callable[[Part], None]) -> None:
        for part in list(self._parts):
            try:
                what(part)
            except Exception as error:  # noqa: BLE001 what only looks on must not end a training, whatever it meets
                self._parts.remove(part)
                self._say(f"{type(part).__name__.lower()} ends: {type(error).__name__}: {error}")
