"""docs/reference/tensorflow-serving-coverage.md: the rows of tests/conformance/rows.toml and the tests that pin them.

A test says what it pins: ``@pytest.mark.tfs("id", …)`` in Python, a line ``// tfs: id …`` above it in Rust.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.marks import Pin, marks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "tests" / "conformance" / "rows.toml"
GUIDE = ROOT / "docs" / "guides" / "coming-from-tensorflow-serving.md"
MARKS = ("A", "B", "C")
UNTESTED = "untested"
_RUST_PINS = re.compile(r"^[ \t]*// tfs:.*$")
_RUST_ABOVE = re.compile(r"^[ \t]*(?://|#\[)")
_RUST_FUNCTION = re.compile(r"\bfn (\w+)")


@dataclass(frozen=True)
class Row:
    """One fact: ``mark`` is A (must match), B (matches, or the guide says why not) or C (need not match)."""

    id: str
    section: str
    mark: str
    sentence: str
    reason: str | None = None
    """Why a B row has no test; a sentence of the guide."""


Pins = Mapping[str, list[Pin]]


def rows(path: Path = ROWS) -> list[Row]:
    """Every row, in the file's order."""
    document: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    reasons = document.pop(UNTESTED, {})
    return [
        Row(id, section, mark, sentence, reasons.get(id))
        for section, marks in document.items()
        for mark, sentences in marks.items()
        for id, sentence in sentences.items()
    ]


def pins(root: Path = ROOT) -> dict[str, list[Pin]]:
    """The tests that name each id, whether there is such a row or not."""
    found: dict[str, list[Pin]] = {}
    for folder, pattern, read in (("tests", "*.py", python_pins), ("crates", "*.rs", rust_pins)):
        for path in sorted((root / folder).rglob(pattern)):
            for name, id in read(path.read_text(encoding="utf-8")):
                found.setdefault(id, []).append(Pin(path.relative_to(root).as_posix(), name))
    return found


def python_pins(source: str) -> Iterator[tuple[str, str]]:
    """(function, id) for each id in a mark ``pytest.mark.tfs`` among a test's decorators."""
    yield from ((name, id) for name, ids in marks(source, "tfs") for id in ids)


def rust_pins(source: str) -> Iterator[tuple[str, str]]:
    """(function, id) for each id of a line ``// tfs:`` above a function."""
    ids: list[str] = []
    for line in source.splitlines():
        if _RUST_PINS.match(line):
            ids += line.split("// tfs:")[1].split()
        elif ids and (function := _RUST_FUNCTION.search(line)):
            yield from ((function[1], id) for id in ids)
            ids = []
        elif not _RUST_ABOVE.match(line):
            ids = []


def problems(rows: list[Row], pins: Pins, guide: str) -> Iterator[str]:
    """A sentence for each row that nothing stands behind, and for each id that is no row."""
    ids = {row.id for row in rows}
    yield from (
        f"{tests[0].path}: {tests[0].name} pins {id}, which is no row" for id, tests in pins.items() if id not in ids
    )
    told = " ".join(guide.split())
    for row in rows:
        if row.mark not in MARKS:
            yield f"{row.id} is marked {row.mark}, which is none of {', '.join(MARKS)}"
        if row.reason is not None and row.id in pins:
            yield f"{row.id} has a test: take its reason away"
        elif row.reason is not None and row.reason not in told:
            yield f"the guide does not say of {row.id}: {row.reason}"
        elif row.mark == "A" and row.id not in pins:
            yield f"{row.id} is marked A and has no test"
        elif row.mark == "B" and row.reason is None and row.id not in pins:
            yield f"{row.id} is marked B and has neither a test nor a reason"


def render() -> str:
    """The whole page."""
    every, tests = rows(), pins()
    sections = list(dict.fromkeys(row.section for row in every))
    tables = "\n\n".join(_section(name, [row for row in every if row.section == name], tests) for name in sections)
    counts = "\n".join(_counts(name, [row for row in every if row.section == name], tests) for name in sections)
    return f"""# What is tested of TensorFlow Serving's behaviour

Generated from `tests/conformance/rows.toml` and from the tests themselves; do not edit.

Each row is one fact that a client or an operator can notice. **A** must match. **B** matches, or
[the guide](../guides/coming-from-tensorflow-serving.md) says why not. **C** need not match. Where Taxiway differs on
purpose, [a table](../concepts/differences-from-tensorflow-serving.md) says how and why.

| Section | A tested | B tested | B told in the guide | C tested |
|---|---|---|---|---|
{counts}
{_counts("**All**", every, tests)}

{tables}
"""


def _counts(name: str, rows: list[Row], tests: Pins) -> str:
    def share(mark: str) -> str:
        marked = [row for row in rows if row.mark == mark]
        return f"{sum(row.id in tests for row in marked)} of {len(marked)}" if marked else ""

    told = sum(row.reason is not None for row in rows)
    return f"| {name} | {share('A')} | {share('B')} | {told or ''} | {share('C')} |"


def _section(name: str, rows: list[Row], tests: Pins) -> str:
    lines = [f"## {name}", "", "| | What | Tests |", "|---|---|---|"]
    for row in rows:
        named = ", ".join(test.link() for test in sorted(set(tests.get(row.id, []))))
        sentence = row.sentence.replace("|", "\\|")
        lines.append(f"| {row.mark} | {sentence} | {named or row.reason or 'none'} |")
    return "\n".join(lines)
