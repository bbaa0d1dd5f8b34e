"""Learning curves, drawn by matplotlib without a display: one small picture a metric, training beside validation.

The two colours are of Okabe and Ito's palette, which colour-blind readers tell apart; the lines differ in dashes and
marks too, so that a print without colour can be read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.train.history import RATE, VALIDATION, Entry, best_entry, metric_names, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CURVES", "draw", "overlay"]

CURVES = ("curves.svg", "curves.png")
MAX_PICTURES = 12
_MARKS_UP_TO = 40
_TRAINING, _VALIDATION, _INK, _RULE = "#0072B2", "#D55E00", "#222222", "#dddddd"
_OVERLAID = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", "-.", ":")
_STYLE: Any = {
    "svg.fonttype": "none",  # Text stays text: small, and found by a search.
    "svg.hashsalt": "taxiway",  # The same curves are the same bytes.
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_HINT = "pip install 'taxiway[train]'"


def draw(history: Sequence[Entry], folder: Path) -> tuple[Path, ...]:
    """Write ``curves.svg`` and ``curves.png``.

    Args:
        history: the epochs; without one there is nothing to draw.
        folder: where to.

    Returns:
        The files; none without a metric.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    names = metric_names(history)
    rates = series(history, RATE)[1]
    # A rate that never changes is a number, and stands in the table.
    shown = [*names, *([RATE] if len(set(rates)) > 1 else [])][:MAX_PICTURES]
    if not shown:
        return ()
    with _style():
        figure = _figure(shown)
        best = best_entry(history)
        for axes, name in zip(figure.axes, shown, strict=True):
            _picture(axes, history, name, None if best is None else int(best["epoch"]))
        _legend(figure)
        return _saved(figure, [folder / name for name in CURVES])


def overlay(runs: Mapping[str, Sequence[Entry]], metric: str, path: Path) -> Path:
    """Draw one metric of several runs into one picture.

    Args:
        runs: each run's history under what it is called.
        metric: such as ``val_loss``.
        path: an ``.svg`` or ``.png``.

    Raises:
        InvalidArgument: no run has the metric, or the file would be of another kind.
        FailedPrecondition: matplotlib is not installed.
    """
    if path.suffix not in (".svg", ".png"):
        raise InvalidArgument(f"{path} is neither .svg nor .png.")
    found = {name: series(history, metric) for name, history in runs.items()}
    if not any(epochs for epochs, _ in found.values()):
        known = dict.fromkeys(one for history in runs.values() for entry in history for one in entry)
        raise InvalidArgument(f"No run has a metric {metric!r}.", hint=f"There is {', '.join(known) or 'none yet'}.")
    with _style():
        figure = _new((8.0, 4.2))
        axes = figure.add_subplot()
        for number, (name, (epochs, values)) in enumerate(found.items()):
            colour, dashes = _OVERLAID[number % len(_OVERLAID)], _DASHES[number // len(_OVERLAID) % len(_DASHES)]
            axes.plot(epochs, values, dashes, color=colour, label=_plain(name), **_marks(epochs, "o"))
        _axes(axes, metric)
        axes.legend(frameon=False, fontsize=9)
        return _saved(figure, [path])[0]


def _style() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise FailedPrecondition("matplotlib is not installed, so there are no pictures.", hint=_HINT) from None
    return matplotlib.rc_context(_STYLE)


def _new(inches: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    # A figure of no window: pyplot would choose a backend and keep every figure.
    return Figure(figsize=inches, layout="constrained", facecolor="white")


def _figure(names: Sequence[str]) -> Figure:
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    figure = _new((5.0 * columns, 3.0 * rows + 0.3))
    for number in range(len(names)):
        figure.add_subplot(rows, columns, number + 1)
    return figure


def _picture(axes: Axes, history: Sequence[Entry], name: str, best: int | None) -> None:
    for key, label, colour, line, mark in (
        (name, "training", _TRAINING, "-", "o"),
        (VALIDATION + name, "validation", _VALIDATION, "--", "s"),
    ):
        epochs, values = series(history, key)
        if not epochs:
            continue
        drawn = _marks(epochs, mark) | ({} if name == RATE else {"label": label})
        axes.plot(epochs, values, line, color=colour, linewidth=1.8, **drawn)
    if best is not None and len(history) > 1 and name != RATE:
        axes.axvline(best, color="#777777", linewidth=1, linestyle=":", label="best epoch", zorder=0)
    _axes(axes, name)


def _axes(axes: Axes, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(_plain(name.replace("_", " ")), loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _marks(epochs: Sequence[int], mark: str) -> dict[str, Any]:
    return {"marker": mark, "markersize": 4} if len(epochs) <= _MARKS_UP_TO else {}


def _plain(text: str) -> str:
    """A text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")


def _legend(figure: Figure) -> None:
    found: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found.update(zip(labels, handles, strict=True))
    figure.legend(found.values(), found.keys(), loc="outside upper right", ncols=len(found), frameon=False, fontsize=9)


def _saved(figure: Figure, paths: Sequence[Path]) -> tuple[Path, ...]:
    """Write each file wholly or not at all: someone may be looking at the one before."""
    for path in paths:
        part = path.with_name(f".{os.getpid()}.{path.name}")
        # Without a date the same curves are the same file.
        kind: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 144}
        figure.savefig(part, **kind)
        part.replace(path)
    return tuple(paths)
