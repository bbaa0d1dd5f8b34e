"""docs/reference/metrics.md, from the table that both metrics pages are written from (Rust, `metrics/families.rs`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parents[1] / "crates" / "taxiway-server" / "src" / "metrics" / "families.rs"
TABLE = re.compile(r"^families! \{(.*?)^\}", re.DOTALL | re.MULTILINE)
ROW = re.compile(r'^\s*[A-Z_]+: ([A-Z]\w+) "([^"]+)" "([^"]*)"\s*"((?:[^"\\]|\\.)*)";', re.DOTALL | re.MULTILINE)

PAGE = """\
# Metrics

Generated from `crates/taxiway-server/src/metrics/families.rs`; do not edit. Histograms have the label `le` too.

## Taxiway's own

`GET /metrics` on the REST port, in Prometheus' text format.

{own}
## TensorFlow Serving's

Where the monitoring config says, `/monitoring/prometheus/metrics` by default: names, labels and buckets are TensorFlow
Serving's. A name can also be asked for in `metric_names` of HandleReloadConfigRequest, in TensorFlow's writing
(`/tensorflow/serving/request_count`) or in this one; the answer is the increase of a counter during the reload, all
its labels together.

{serving}"""


class Family(NamedTuple):
    """A metric, as the page shows it."""

    name: str
    kind: str
    labels: list[str]
    sentence: str


def tables() -> list[list[Family]]:
    """The metrics of Taxiway's page and of TensorFlow Serving's, in their order.

    Raises:
        ValueError: a row cannot be read, so the table is written in another way than this expects.
    """
    found = []
    for table in TABLE.findall(SOURCE.read_text()):
        rows = [
            Family(name, kind.lower(), labels.split(), re.sub(r"\\\n\s*", "", sentence))
            for kind, name, labels, sentence in ROW.findall(table)
        ]
        if len(rows) != table.count(";"):
            raise ValueError(f"{table.count(';') - len(rows)} rows of {SOURCE} are not understood")
        found.append(rows)
    if len(found) != 2:
        raise ValueError(f"{SOURCE} has {len(found)} tables of metrics instead of 2")
    return found


def render() -> str:
    """The whole page."""
    own, serving = (_table(rows) for rows in tables())
    return PAGE.format(own=own, serving=serving)


def _table(rows: list[Family]) -> str:
    lines = ["| name | kind | labels | meaning |", "|---|---|---|---|"]
    for name, kind, labels, sentence in rows:
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {sentence} |")
    return "\n".join(lines) + "\n"
