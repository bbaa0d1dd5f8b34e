"""docs/reference/metrics.md, from the lines that write the metrics page (Rust, `metrics/`)."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "crates" / "taxiway-server" / "src" / "metrics"
FAMILY = re.compile(r'\.family\(\s*"(\w+)",\s*"(\w+)",\s*"((?:[^"\\]|\\.)*)",?\s*\)')


PAGE = """\
# Metrics

Generated from `crates/taxiway-server/src/metrics/`; do not edit.

`GET /metrics` on the REST port, in Prometheus' text format. Labels: `model`, `version` and `protocol` where they apply.

| name | kind | meaning |
|---|---|---|
"""


def families() -> list[tuple[str, str, str]]:
    """(name, kind, sentence) of each metric, in the order of the page.

    Raises:
        ValueError: none was found, so the page is written in another way than this expects.
    """
    found = [found for path in sorted(SOURCE.rglob("*.rs")) for found in FAMILY.findall(path.read_text())]
    if not found:
        raise ValueError(f"no metric is written in {SOURCE}")
    return found


def render() -> str:
    """The whole page."""
    return PAGE + "".join(f"| `{name}` | {kind} | {sentence} |\n" for name, kind, sentence in families())
