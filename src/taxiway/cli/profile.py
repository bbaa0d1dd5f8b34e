"""A profile for people: a line a feature."""

from __future__ import annotations

from typing import Any

from taxiway.cli import output

__all__ = ["show_profile"]

_SHOWN_FEATURES = 20
_SHOWN_CLASSES = 5
_BARS = " ▁▂▃▄▅▆▇█"


def show_profile(document: dict[str, Any]) -> None:
    """Print the profile's document as a table and an empty line."""
    features = list(document["features"].items())
    rows = [(name, *_summary(one)) for name, one in features[:_SHOWN_FEATURES]]
    hidden = len(features) - len(rows) + document["left_out"]
    rows += [(f"and {hidden} more (--json)", "", "")] if hidden else []
    rows += [(f"→ {name}", *_summary(one)) for name, one in document["answers"].items()]
    if document["scores"] is not None:
        rows += _scores(document["scores"])
    output.print_table([f"PROFILE OF {document['rows']} ROWS", "", "VALUES"], rows)
    output.print_line()


def _summary(one: dict[str, Any]) -> tuple[str, str]:
    if one["kind"] == "numbers":
        return "numbers", _numbers(one)
    if one["kind"] == "categories":
        return "categories", _categories(one)
    shape = " × ".join(map(str, one["shape"]))
    return f"tensor {shape}", _numbers(one["elements"])


def _numbers(one: dict[str, Any]) -> str:
    if one["minimum"] is None:
        return f"none finite, {one['histogram']['nan']} NaN"
    figures = f"{one['minimum']:.4g} … {one['maximum']:.4g}, mean {one['mean']:.4g} ± {one['deviation']:.4g}"
    odd = {"NaN": one["histogram"]["nan"], "infinite": one["histogram"]["under"] + one["histogram"]["over"]}
    return ", ".join([figures, *(f"{count} {name}" for name, count in odd.items() if count)])


def _categories(one: dict[str, Any]) -> str:
    total = sum(count for _, count in one["top"]) + one["other"]
    shown = [f"{text} {count / total:.1%}" for text, count in one["top"][:_SHOWN_CLASSES]]
    left = one["distinct"] - len(shown)
    return ", ".join([*shown, *([f"{left} others"] if left > 0 else [])])


def _scores(one: dict[str, Any]) -> list[tuple[str, str, str]]:
    edges, counts = one["histogram"]["edges"], one["histogram"]["counts"]
    highest = max(counts, default=0) or 1
    bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // highest)] for count in counts)
    ends = f"{edges[0]:.3g} {bars} {edges[-1]:.3g}" if edges else "none finite"
    rows = [(f"→ {one['output']}", f"{one['rows']} {one['of']}", ends)]
    if one["predicted"] is not None:
        rows.append(("→ predicted", "classes", _categories(one["predicted"])))
    return [*rows, *((f"→ {name}", one["of"], f"{value:.4g}") for name, value in one["metrics"].items())]
