"""docs/reference/strategies.md: what holds for each strategy of ``taxiway train``, made from the tests that pin it.

A test says what it pins: ``@pytest.mark.strategy("mirrored", "same-loss", "exports")``:
the strategy first, then columns.
A cell that no test can pin has its sentence in ``tests/conformance/strategies.toml``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from taxiway.train.request import STRATEGIES
from tools.marks import Pin, marks, python_tests

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
REASONS = ROOT / "tests" / "conformance" / "strategies.toml"
# `auto` becomes one of the others.
ROWS = tuple(name for name in STRATEGIES if name != "auto")
COLUMNS = {
    "same-loss": "same loss as one process",
    "resumes": "resumes exactly",
    "exports": "exports",
    "devices": "error without devices",
}

Cell = tuple[str, str]
"""(strategy, column)."""


def pins(root: Path = ROOT) -> dict[Cell, list[Pin]]:
    """The tests that name each cell, whether there is such a cell or not."""
    found: dict[Cell, list[Pin]] = {}
    for path, source in python_tests(root):
        for name, (strategy, *columns) in marks(source, "strategy"):
            for column in columns:
                found.setdefault((strategy, column), []).append(Pin(path, name))
    return found


def reasons(path: Path = REASONS) -> dict[Cell, str]:
    """The sentences that stand where no test can."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return {(strategy, column): said for strategy, cells in document.items() for column, said in cells.items()}


def problems(pins: Mapping[Cell, list[Pin]], reasons: Mapping[Cell, str]) -> Iterator[str]:
    """A sentence for each cell that has neither test nor reason, that has both, or that is none."""
    cells = [(row, column) for row in ROWS for column in COLUMNS]
    for cell in [*pins, *reasons]:
        if cell not in cells:
            yield f"{' / '.join(cell)} is no cell of the table of strategies"
    for cell in cells:
        if cell not in pins and cell not in reasons:
            yield f"{' / '.join(cell)} has neither a test nor a reason"
        if cell in pins and cell in reasons:
            yield f"{' / '.join(cell)} has a test: take its reason away"


def render() -> str:
    """The whole page."""
    tests, said = pins(), reasons()
    lines = [f"| Strategy | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in ROWS:
        cells = [_cell(tests.get((row, column), []), said.get((row, column), "")) for column in COLUMNS]
        lines.append(f"| `{row}` | {' | '.join(cells)} |")
    table = "\n".join(lines)
    return f"""# What holds for each strategy

Generated from the tests that pin it and from `tests/conformance/strategies.toml`; do not edit.

*Same loss*: the losses of every epoch are those of one process with the same global batch, to five digits. *Resumes
exactly*: killed with SIGKILL and resumed, it ends in the weights that it would have had. *Exports*: the run ends with a
SavedModel. *Error without devices*: what is not there is named within seconds, where TensorFlow may wait for ever.

{table}

How each one works is in [the guide](../guides/train.md#strategies).
"""


def _cell(tests: list[Pin], reason: str) -> str:
    if tests:
        return "yes: " + ", ".join(test.link() for test in sorted(set(tests)))
    return reason or "none"
