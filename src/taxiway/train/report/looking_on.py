"""Who looks on while a run is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from taxiway.train.place import Place
from taxiway.train.report.board import BOARD, Board
from taxiway.train.report.profile import Profile
from taxiway.train.report.progress import Lines, Progress, Steps
from taxiway.train.report.watch import Part, Watch
from taxiway.train.report.write import Pictures
from taxiway.train.request import TrainRequest

__all__ = ["watch_over"]


def watch_over(
    request: TrainRequest, run_dir: Path, place: Place, say: Callable[[str], None], progress: Progress | None = None
) -> Watch:
    """Progress, TensorBoard's logs, the profile asked for, and the report; nobody on ranks that only work.

    Args:
        request: what is trained.
        run_dir: the run's directory.
        place: which process this is.
        say: told what people should know.
        progress: told of every batch; lines to ``say`` now and then without it.
    """
    if not place.is_chief:
        return Watch((), say)
    parts: list[Part] = [Steps(progress or Lines(say), request.epochs), Board(run_dir, request.params)]
    if request.profile:
        first, last = request.profile
        parts.append(Profile(first, last, run_dir / BOARD, say))
    return Watch([*parts, Pictures(run_dir)], say)
