"""How far a training is: a value for each batch, and lines for where a moving bar cannot be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from taxiway.clock import Clock, SystemClock
from taxiway.train.history import figure
from taxiway.train.report.watch import Part

__all__ = ["Lines", "Progress", "Step", "Steps"]

LINE_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """A training batch that is done.

    Attributes:
        epoch: from 1.
        epochs: how many are wanted.
        step: batches done in this epoch.
        steps: batches of an epoch; None when only reading them tells.
        loss: the mean over the epoch so far; None when the loop does not know it yet.
    """

    epoch: int
    epochs: int
    step: int
    steps: int | None
    loss: float | None

    def __str__(self) -> str:
        whole = f"step {self.step}" if self.steps is None else f"step {self.step}/{self.steps}"
        loss = "" if self.loss is None else f"  loss {self.loss:.4g}"
        return f"epoch {self.epoch}/{self.epochs}  {whole}{loss}"


Progress: TypeAlias = Callable[[Step], None]
"""Told of every batch."""


class Lines:
    """Says a line now and then while an epoch lasts, so that a log shows that the work goes on.

    Args:
        say: told of each line.
        clock: tells how long ago the last one was.
    """

    def __init__(self, say: Callable[[str], None], clock: Clock | None = None) -> None:
        self._say, self._clock = say, clock or SystemClock()
        self._since, self._epoch = self._clock.monotonic(), 0

    def __call__(self, step: Step) -> None:
        """A batch is done."""
        now = self._clock.monotonic()
        # Each finished epoch has its own line, which is said elsewhere.
        if step.epoch != self._epoch:
            self._epoch, self._since = step.epoch, now
        elif now - self._since >= LINE_SECONDS:
            self._since = now
            self._say(str(step))


class Steps(Part):
    """Passes each batch on as a :class:`Step`.

    Args:
        progress: who is told.
        epochs: how many are wanted.
    """

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress, self._epochs = progress, epochs
        self._epoch, self._steps = 0, None  # type: int, int | None

    def epoch(self, epoch: int, steps: int | None) -> None:
        """Count anew."""
        self._epoch, self._steps = epoch, steps

    def batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Pass the batch on."""
        self._progress(Step(self._epoch, self._epochs, batch, self._steps, figure(logs.get("loss"))))
