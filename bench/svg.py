"""Horizontal bars as SVG, drawn without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_LABEL, _BAR, _VALUE, _ROW, _TOP = 230, 420, 120, 30, 44
_OURS, _OTHERS, _LIMIT = "#1f6f8b", "#b9c4cc", "#e8e3d3"


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length in the chart's unit, how its value is written, and its kind."""

    label: str
    value: float
    text: str
    kind: str  # "ours", "peer", "limit"


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A chart with one row a bar, the longest filling the width. Readable on light and dark pages."""
    height = _TOP + _ROW * len(rows) + 10
    width = _LABEL + _BAR + _VALUE
    longest = max((bar.value for bar in rows), default=0) or 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="14">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="14" y="27" font-size="16" font-weight="600" fill="#22303a">{escape(title)}</text>',
    ]
    colours = {"ours": _OURS, "peer": _OTHERS, "limit": _LIMIT}
    for index, bar in enumerate(rows):
        y = _TOP + _ROW * index
        length = max(1.5, _BAR * bar.value / longest)
        parts.append(
            f'<text x="{_LABEL - 10}" y="{y + 18}" text-anchor="end" fill="#22303a">{escape(bar.label)}</text>'
        )
        parts.append(
            f'<rect x="{_LABEL}" y="{y + 4}" width="{length:.1f}" height="20" rx="3" fill="{colours[bar.kind]}"/>'
        )
        parts.append(f'<text x="{_LABEL + length + 8:.1f}" y="{y + 19}" fill="#22303a">{escape(bar.text)}</text>')
    return "\n".join([*parts, "</svg>", ""])
