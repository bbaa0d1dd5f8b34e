"""The README with what ``bench/results`` holds between its two marks, and the report of the same document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import report, targets

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- of bench/results: tools/generate.py writes this -->", "<!-- end -->"


def render() -> str:
    """The page.

    Raises:
        SystemExit: the marks are not in the README, or more than once.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"README.md must have {BEGIN!r} and {END!r} once each")
    before, _, rest = text.partition(BEGIN)
    document = _document()
    environment = document["environment"]
    said = (
        f"{environment['cpu']}, a core for the server and another for the load, measured side by side by `make bench` "
        f"({environment['date']}). [The report](bench/results/REPORT.md) has every figure, the targets and the machine."
    )
    table = "\n".join(report.summary(document))
    return f"{before}{BEGIN}\n{table}\n\n{said}\n{END}{rest.partition(END)[2]}"


def render_report() -> str:
    """``bench/results/REPORT.md``."""
    document = _document()
    return report.page(document, targets.table(document))


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((report.RESULTS / "latest.json").read_text(encoding="utf-8"))
    return document
