"""Charts as SVG, drawn without a plotting library. Readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

__all__ = ["FAINT", "INK", "OTHERS", "OURS", "Bar", "bars", "dot", "page", "rectangle", "text"]

_LABEL, _BAR, _VALUE, _ROW, _TOP = 230, 420, 120, 30, 44
OURS, OTHERS, FAINT, INK = "#1f6f8b", "#b9c4cc", "#e8e3d3", "#22303a"


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length in the chart's unit, how its value is written, and its kind."""

    label: str
    value: float
    text: str
    kind: str  # "ours", "peer", "limit"


def page(title: str, width: float, height: float, parts: Iterable[str]) -> str:
    """A picture with its title; ``parts`` are drawn below it."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label={quoteattr(title)} font-family="system-ui, sans-serif" font-size="14">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="14" y="27" font-size="16" font-weight="600" fill="{INK}">{escape(title)}</text>',
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 14) -> str:
    """Words; ``anchor`` is ``start``, ``middle`` or ``end``."""
    of = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.4g}" y="{y:.4g}"{of} font-size="{size}" fill="{INK}">{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled rectangle with soft corners."""
    return f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.1f}" height="{height:.1f}" rx="3" fill="{colour}"/>'


def dot(x: float, y: float, colour: str) -> str:
    """A filled dot."""
    return f'<circle cx="{x:.4g}" cy="{y:.4g}" r="5" fill="{colour}"/>'


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A chart with one row a bar, the longest filling the width."""
    height, width = _TOP + _ROW * len(rows) + 10, _LABEL + _BAR + _VALUE
    longest = max((bar.value for bar in rows), default=0) or 1
    colours = {"ours": OURS, "peer": OTHERS, "limit": FAINT}
    parts = []
    for index, bar in enumerate(rows):
        y = _TOP + _ROW * index
        length = max(1.5, _BAR * bar.value / longest)
        parts.append(text(_LABEL - 10, y + 18, bar.label, anchor="end"))
        parts.append(rectangle(_LABEL, y + 4, length, 20, colours[bar.kind]))
        parts.append(text(_LABEL + length + 8, y + 19, bar.text))
    return page(title, width, height, parts)
