"""What TensorFlow.js can do, read from its own lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taxiway.browser.convert.nodes import Graph
from taxiway.errors import DataLoss, Unimplemented

__all__ = ["Operations", "read_operations"]

_LISTS = "dist/operations/op_list"
_ROW = re.compile(r"'tfOpName':\s*'(?P<name>[^']+)',\s*'category':\s*'(?P<category>[^']+)'")
_STEPWISE = frozenset({"control", "dynamic"})
_FEWEST = 200
_SHOWN = 3


@dataclass(frozen=True)
class Operations:
    """The operations that TensorFlow.js knows.

    Attributes:
        categories: by operation, the list it stands in.
        version: of TensorFlow.js.
    """

    categories: Mapping[str, str]
    version: str

    def check(self, graph: Graph) -> None:
        """Refuse a graph that TensorFlow.js would fail on when it is asked.

        Raises:
            Unimplemented: it has operations that are not known there.
        """
        unknown: dict[str, list[str]] = {}
        for node in graph.node:
            if node.op not in self.categories:
                unknown.setdefault(node.op, []).append(node.name)
        if not unknown:
            return
        said = [f"{op} (node {names[0]}{_more(len(names) - 1)})" for op, names in sorted(unknown.items())]
        raise Unimplemented(
            f"TensorFlow.js {self.version} does not have {', '.join(said[:_SHOWN])}{_more(len(said) - _SHOWN)}.",
            hint="Write that part of the model with other layers, or export a signature without it (--signature).",
        )

    def needs_async(self, graph: Graph) -> bool:
        """Whether asking it waits in between: it has loops, or sizes that depend on values."""
        return any(self.categories.get(node.op) in _STEPWISE for node in graph.node)


def read_operations(converter: Path) -> Operations:
    """What the package ``@tensorflow/tfjs-converter`` in a directory knows.

    Raises:
        DataLoss: it has no lists, or lists that are not read here.
    """
    import json

    found: dict[str, str] = {}
    for path in sorted((converter / _LISTS).glob("*.js")):
        for row in _ROW.finditer(path.read_text(encoding="utf-8")):
            found[row["name"]] = row["category"]
    if len(found) < _FEWEST:
        raise DataLoss(
            f"{converter} lists {len(found)} operations, which cannot be all.", hint="taxiway browser install --again"
        )
    return Operations(found, str(json.loads((converter / "package.json").read_text(encoding="utf-8"))["version"]))


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
