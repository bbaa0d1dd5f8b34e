"""A moving bar for each epoch where standard error is a terminal; plain lines everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from taxiway.cli import output
from taxiway.clock import Clock, SystemClock

if TYPE_CHECKING:
    from taxiway.train.report.progress import Progress, Step

__all__ = ["Bar", "shown_progress"]

_REDRAW_SECONDS = 0.1
_WIDTH = 30


@contextmanager
def shown_progress() -> Iterator[tuple[Callable[[str], None], Progress | None]]:
    """Who is told of lines, and of batches: a bar until the block ends; without a terminal, lines only."""
    if not sys.stderr.isatty():
        yield output.print_note, None
        return
    bar = Bar(sys.stderr)
    try:
        yield bar.say, bar
    finally:
        bar.clear()


class Bar:
    """Draws how far the epoch is, on the terminal's last line.

    Args:
        terminal: where to; lines above the bar go there too.
        clock: tells when the bar was last drawn.
    """

    def __init__(self, terminal: TextIO, clock: Clock | None = None) -> None:
        self._terminal, self._clock = terminal, clock or SystemClock()
        self._bar: Any = None
        self._epoch, self._drawn = 0, 0.0

    def __call__(self, step: Step) -> None:
        """A batch is done."""
        now = self._clock.monotonic()
        if self._bar is None or step.epoch != self._epoch:
            self.clear()
            self._bar, self._epoch = self._new(step), step.epoch
        elif now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._bar.update(step.step - self._bar.pos, step)

    def say(self, line: str) -> None:
        """Print a line; the bar is drawn again below it with the next batch."""
        self.clear()
        click.echo(line, file=self._terminal)

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar = None
            # To the line's beginning, erase it, and show the cursor, which click hides.
            self._terminal.write("\r\x1b[K\x1b[?25h")
            self._terminal.flush()

    def _new(self, step: Step) -> Any:
        # Without a length click asks the iterable for one; a generator has none.
        return click.progressbar(
            (None for _ in ()), length=step.steps, label=f"epoch {step.epoch}/{step.epochs}", show_pos=True,
            show_percent=False, item_show_func=_loss, file=self._terminal, width=_WIDTH,
        )  # fmt: skip


def _loss(step: Step | None) -> str | None:
    return None if step is None or step.loss is None else f"loss {step.loss:.4g}"
