"""One picture of a report: size against agreement, and size against latency."""

from __future__ import annotations

import io
from typing import Any

from taxiway.contract.report import Report, Variant

__all__ = ["PICTURE_FILE", "picture"]

PICTURE_FILE = "report.svg"
_KEPT, _REFUSED, _ASKED = "#1b6ca8", "#b8442e", "#8a8a8a"


def picture(report: Report) -> bytes:
    """The picture as SVG. Variants that never ran are not in it."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = [one for one in report.variants if one.size_bytes is not None]
    with rc_context({"svg.hashsalt": "taxiway", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        _agreement(left, drawn, report)
        _latency(right, drawn)
        figure.suptitle(f"{report.title}: {len(report.kept)} of {len(report.variants)} variants written", fontsize=11)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _agreement(axes: Any, drawn: list[Variant], report: Report) -> None:
    """Agreement with its lower bound, where there is one; else the largest difference."""
    scored = [(one, one.agreement) for one in drawn if one.agreement is not None]
    if any(found.agreement is not None for _, found in scored):
        for one, found in scored:
            if found.agreement is not None:
                low = found.agreement_lower if found.agreement_lower is not None else found.agreement
                _point(axes, one, 100 * found.agreement, error=100 * (found.agreement - low))
        axes.axhline(100 * report.contract.min_agreement, color=_ASKED, linestyle="--", linewidth=1)
        axes.set_ylabel("rows that agree, % (bar: lower bound)")
    else:
        for one, found in scored:
            _point(axes, one, found.largest_difference)
        axes.set_ylabel("largest difference")
    axes.set_title("agreement with the original")
    _finish(axes)


def _latency(axes: Any, drawn: list[Variant]) -> None:
    for one in drawn:
        if one.latency_us is not None:
            _point(axes, one, one.latency_us)
    axes.set_ylim(bottom=0, top=1.15 * max((one.latency_us for one in drawn if one.latency_us), default=1.0))
    axes.set_ylabel("µs a request")
    axes.set_title("latency")
    _finish(axes)


def _point(axes: Any, one: Variant, y: float, error: float = 0.0) -> None:
    size = (one.size_bytes or 0) / 1000
    colour = _KEPT if one.kept else _REFUSED
    axes.errorbar([size], [y], yerr=[[error], [0]] if error else None, fmt="o" if one.kept else "x", color=colour)
    axes.annotate(one.name, (size, y), xytext=(5, 4), textcoords="offset points", color=colour, fontsize=8)


def _finish(axes: Any) -> None:
    axes.set_xlabel("file, kB")
    axes.set_xlim(0, 1.25 * max(axes.dataLim.x1, 0.001) if axes.has_data() else 1)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
