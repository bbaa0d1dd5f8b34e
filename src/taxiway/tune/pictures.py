"""The pictures of a study: its trials in their order, which parameters mattered, and where values are good."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.tune.space import Choice
from taxiway.tune.trials import Trial, TrialState

if TYPE_CHECKING:
    from taxiway.tune.study import Study

__all__ = ["PICTURES", "draw"]

PICTURES = ("history", "importance", "slices")
INK, GRID, BLUE, ORANGE, GREY = "#1a202c", "#e2e8f0", "#2b6cb0", "#c05621", "#a0aec0"
_COLUMNS = 3
_STYLE: Any = {
    "svg.hashsalt": "taxiway", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10,
    "axes.edgecolor": GRID, "axes.labelcolor": INK, "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": INK, "ytick.color": INK,
    "axes.titlesize": 11, "axes.titlelocation": "left", "legend.frameon": False, "figure.facecolor": "white",
}  # fmt: skip


def draw(study: Study, importance: Mapping[str, float]) -> list[Path]:
    """Draw a study's pictures into its directory, as SVG and PNG.

    Args:
        study: which.
        importance: by parameter, the greatest first; without it that picture is left out.

    Returns:
        The pictures' paths; none before a trial is complete.
    """
    from matplotlib import rc_context

    trials = [one for one in study.trials if one.value is not None]
    if not any(one.state is TrialState.COMPLETE for one in trials):
        return []
    with rc_context(_STYLE):
        figures = {"history": _history(study, trials), "slices": _slices(study, trials)}
        if importance:
            figures["importance"] = _importance(study, importance)
        return [path for name in PICTURES if name in figures for path in _save(figures[name], study.path / name)]


def _figure(width: float, height: float, **grid: Any) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: no window system is asked for, and nothing stays in its global state.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**grid)


def _save(figure: Any, path: Path) -> list[Path]:
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=144)
    return [path.with_suffix(".svg"), path.with_suffix(".png")]


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
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=ORANGE, label="best so far")
    axes.scatter(numbers, [one.value for one in complete], color=BLUE, s=26, zorder=3, label="trial")
    if stopped:
        axes.scatter(
            [one.number for one in stopped], [one.value for one in stopped], s=26, zorder=3,
            facecolors="none", edgecolors=GREY, label="stopped early",
        )  # fmt: skip
    first = next(number for number, value in zip(numbers, best, strict=True) if value == best[-1])
    axes.annotate(
        f"{best[-1]:.4g}, trial {first}", (first, best[-1]), xytext=(0, 7), textcoords="offset points",
        color=ORANGE, ha="right" if first > last / 2 else "left", annotation_clip=False,
    )  # fmt: skip
    axes.set(xlabel="trial", ylabel=goal.metric)
    axes.margins(y=0.12)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower right" if goal.direction == "maximize" else "upper right", ncols=3)
    return figure


def _importance(study: Study, importance: Mapping[str, float]) -> Any:
    """A bar a parameter, the greatest on top."""
    names = list(importance)
    figure, axes = _figure(7.2, 0.9 + 0.42 * len(names))
    axes.barh(range(len(names)), [importance[name] for name in names], color=BLUE, height=0.62)
    for row, name in enumerate(names):
        axes.text(importance[name] + 0.012, row, f"{importance[name]:.0%}", va="center", color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(importance.values()) + 0.09)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"part of the variance of {study.description.goal.metric}")
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
            axes.set_xticks(range(len(parameter.options)), [str(value) for value in parameter.options])
            axes.set_xlim(-0.5, len(parameter.options) - 0.5)
        else:
            places = chosen
            axes.set_xscale("log" if parameter.log else "linear")
        axes.scatter(
            places, [one.value for one in complete], c=[one.number for one in complete], cmap="Blues", s=26,
            vmin=-max(one.number for one in complete) * 0.4 - 1, edgecolors="#2c5282", linewidths=0.4,
        )  # fmt: skip
        axes.set_xlabel(name)
    for axes in list(grid.flat)[len(parameters) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(study.description.goal.metric)
    return figure
