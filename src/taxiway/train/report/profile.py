"""TensorFlow's profile of a few training batches, where TensorBoard's profile page looks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.train.report.watch import Part

__all__ = ["Profile"]


class Profile(Part):
    """Profiles batches of the first epoch that is trained, into ``plugins/profile/`` of a folder.

    Args:
        first: the first batch, from 1.
        last: the last one, which is profiled too.
        folder: TensorBoard's.
        say: told where the profile is.
    """

    def __init__(self, first: int, last: int, folder: Path, say: Callable[[str], None]) -> None:
        self._first, self._last, self._folder, self._say = first, last, folder, say
        self._wanted, self._runs = True, False

    def epoch(self, epoch: int, steps: int | None) -> None:
        """Hold the range to the epoch.

        Raises:
            InvalidArgument: the epoch has fewer batches.
        """
        if self._wanted and steps is not None and steps < self._last:
            raise InvalidArgument(
                f"Batches {self._first} to {self._last} were to be profiled; an epoch has {steps}.",
                hint=f"--profile {min(self._first, steps)}:{steps}",
            )

    def batch_begin(self, batch: int) -> None:
        """Begin with the first batch."""
        if self._wanted and not self._runs and batch >= self._first:
            import tensorflow as tf

            tf.profiler.experimental.start(str(self._folder))
            self._runs = True

    def batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """End after the last one."""
        if self._runs and batch >= self._last:
            self._stop()

    def trained(self) -> None:
        """End with the epoch at the latest."""
        if self._runs:
            self._stop()
        elif self._wanted:
            self._say(f"no profile: the epoch had fewer than {self._first} batches")
        self._wanted = False

    def close(self) -> None:
        """End when the training does."""
        if self._runs:
            self._stop()

    def _stop(self) -> None:
        import tensorflow as tf

        self._wanted = self._runs = False
        tf.profiler.experimental.stop()
        self._say(f"profiled batches {self._first} to {self._last}: tensorboard --logdir {self._folder}")
