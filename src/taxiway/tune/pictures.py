"""The pictures of a study: its trials in their order, which parameters mattered, and where values are good.

Colours are of Okabe and Ito's palette, which colour-blind readers tell apart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import FailedPrecondition
from taxiway.tune.space import Choice
from taxiway.tune.trials import Trial, TrialState

if TYPE_CHECKING:
    from taxiway.tune.study import Study

__all__ = ["PICTURES", "draw"]

PICTURES = ("history", "importance", "slices")
_BLUE, _ORANGE, _GREY, _INK, _RULE = "#0072B2", "#D55E00", "#777777", "#222222", "#dddddd"
_COLUMNS = 3
# Values that are further apart than this are drawn on a logarithmic scale.
_SPREAD = 50
_STYLE: Any = {
    "svg.hashsalt": "taxiway", "svg.fonttype": "none", "font.size": 10, "text.color": _INK,
    "axes.edgecolor": "#999999", "axes.labelcolor": _INK, "axes.grid": True, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "grid.color": _RULE, "xtick.color": _INK,
    "ytick.color": _INK, "legend.frameon": False, "figure.facecolor": "white",
}  # fmt: skip


def draw(study: Study, importance: Mapping[str, float]) -> list[Path]:
    """Draw a study's pictures into its directory, as SVG and PNG.

    Args:
        study: which.
        importance: by parameter, the greatest first; without it that picture is left out.

    Returns:
        The pictures' paths; none before a trial is complete.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise FailedPrecondition(
            "matplotlib is not installed, so there are no pictures.", hint='pip install "taxiway[tune]"; --no-pictures'
        ) from None
    trials = [one for one in study.trials if one.value is not None]
    if not any(one.state is TrialState.COMPLETE for one in trials):
        return []
    with rc_context(_STYLE):
        figures = {"history": _history(study, trials), "slices": _slices(study, trials)}
        if importance:
            figures["importance"] = _importance(study, importance)
        return [path for name in PICTURES if name in figures for path in _save(figures[name], study.path / name)]


def _figure(width: float, height: float, **grid: Any) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    # A figure of no window: pyplot would choose a backend and keep every figure.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def _save(figure: Any, path: Path) -> list[Path]:
    """Write each file wholly or not at all: someone may be looking at the one before."""
    found = []
    # Without a date the same trials are the same file.
    for kind, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 144})):
        part = path.with_name(f".{os.getpid()}.{path.name}{kind}")
        figure.savefig(part, **options)
        found.append(part.replace(path.with_suffix(kind)))
    return found


def _plain(text: str) -> str:
    """A text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")


def _scale(trials: Sequence[Trial]) -> str:
    values = [one.value for one in trials if one.value is not None]
    return "log" if min(values) > 0 and max(values) > _SPREAD * min(values) else "linear"


def _history(study: Study, trials: list[Trial]) -> Any:
    """Each trial's value in the order of the trials, and the best one so far."""
    goal = study.description.goal
    figure, axes = _figure(7.2, 3.6)
    complete = [one for one in trials if one.state is TrialState.COMPLETE]
    stopped = [one for one in trials if one.state is TrialState.STOPPED]
    best: list[float] = []
    for one in complete:
        value = float(one.value or 0.0)
        best.append(value if not best or goal.better(value, best[-1]) else best[-1])
    last = max(one.number for one in trials)
    numbers = [one.number for one in complete]
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=_ORANGE, label="best so far")
    axes.scatter(numbers, [one.value for one in complete], color=_BLUE, s=26, zorder=3, label="trial")
    if stopped:
        axes.scatter(
            [one.number for one in stopped], [one.value for one in stopped], s=26, zorder=3,
            facecolors="none", edgecolors=_GREY, label="stopped early",
        )  # fmt: skip
    first = next(number for number, value in zip(numbers, best, strict=True) if value == best[-1])
    axes.annotate(
        f"{best[-1]:.4g}, trial {first}", (first, best[-1]), xytext=(0, 7), textcoords="offset points",
        color=_ORANGE, ha="right" if first > last / 2 else "left", annotation_clip=False,
    )  # fmt: skip
    axes.set(xlabel="trial", ylabel=_plain(goal.metric), yscale=_scale(trials))
    axes.margins(y=0.12)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper right", ncols=3, fontsize=9)
    return figure


def _importance(study: Study, importance: Mapping[str, float]) -> Any:
    """A bar a parameter, the greatest on top."""
    names = list(importance)
    figure, axes = _figure(7.2, 0.9 + 0.42 * len(names))
    axes.barh(range(len(names)), [importance[name] for name in names], color=_BLUE, height=0.62)
    for row, name in enumerate(names):
        axes.text(importance[name] + 0.012, row, f"{importance[name]:.0%}", va="center", color=_INK)
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, max(importance.values()) + 0.09)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"part of the order of the trials by {_plain(study.description.goal.metric)}")
    return figure


def _slices(study: Study, trials: list[Trial]) -> Any:
    """The value over each parameter; later trials darker."""
    parameters = study.description.space.parameters
    columns = min(len(parameters), _COLUMNS)
    rows = -(-len(parameters) // columns)
    figure, grid = _figure(2.4 * columns + 0.6, 2.3 * rows + 0.3, nrows=rows, ncols=columns, squeeze=False, sharey=True)
    complete = [one for one in trials if one.state is TrialState.COMPLETE]
    for axes, (name, parameter) in zip(grid.flat, parameters.items(), strict=False):
        chosen = [one.params[name] for one in complete]
        if isinstance(parameter, Choice):
            places = [parameter.options.index(value) for value in chosen]
            axes.set_xticks(range(len(parameter.options)), [_plain(str(value)) for value in parameter.options])
            axes.set_xlim(-0.5, len(parameter.options) - 0.5)
        else:
            places = chosen
            axes.set_xscale("log" if parameter.log else "linear")
        axes.scatter(
            places, [one.value for one in complete], c=[one.number for one in complete], cmap="Blues", s=26,
            vmin=-max(one.number for one in complete) * 0.4 - 1, edgecolors="#2c5282", linewidths=0.4,
        )  # fmt: skip
        axes.set_xlabel(_plain(name))
    for axes in list(grid.flat)[len(parameters) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(_plain(study.description.goal.metric))
        axes.set_yscale(_scale(complete))
    return figure
