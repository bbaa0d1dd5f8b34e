"""docs/reference/edge-models.md, from the reports that ``python -m examples.edge.table FOLDER`` kept."""

from __future__ import annotations

import json
from typing import Any

from examples.edge.models import EXAMPLES
from examples.edge.table import RESULTS
from taxiway.contract.report import COLUMNS, markdown_table, parse_report

PAGE = """\
# Seven models as LiteRT files

Generated from `edge-models.json` beside it, which `python -m examples.edge.table FOLDER` measured; do not edit.

Every model of `examples/edge/models.py` is trained on {trained} handwritten digits and compared on {rows} others. Each
variant is held to `{contract}` against the SavedModel's own answers; float32, which keeps every number, also to what
rounding explains. Refused ones are not written. Latency: {measured}. It has {machine}, and did other work too: read
ratios. Made with {made}.

{models}"""

# What a reader wants to know of each, beside its name.
TELLS = {
    "mlp": "dense layers",
    "cnn": "convolutions with BatchNorm behind Resizing, which Keras' own export leaves in training mode",
    "attention": "one attention block with exact GELU",
    "lstm": "an LSTM over the image's rows",
    "gru": "a GRU over the image's rows",
    "mobilenet": "MobileNetV2 (α = 0.35) behind Resizing, from random weights",
    "text": "TextVectorization and an embedding, the dark pixels as words; the tokeniser is split off",
}


def render() -> str:
    """The page."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    first = parse_report(kept["models"]["mlp"]["report"], RESULTS.name)
    made = ", ".join(sorted({one["notes"]["converter"] for one in _variants(kept) if "notes" in one}))
    return PAGE.format(
        trained=f"{1797 - first.rows:,}",
        rows=first.rows,
        contract=first.contract,
        measured=first.measured,
        machine=f"{kept['machine']['cpus']} CPUs, {kept['machine']['machine']}",
        made=f"{made}, {first.made_with['runtime']}",
        models="\n".join(_model(name, kept["models"][name]) for name in EXAMPLES),
    )


def _variants(kept: Any) -> list[Any]:
    return [one for model in kept["models"].values() for one in model["report"]["variants"]]


def _model(name: str, kept: Any) -> str:
    report = parse_report(kept["report"], RESULTS.name)
    accuracy = next((one.agreement.reference_accuracy for one in report.variants if one.agreement is not None), None)
    said = [f"{TELLS[name][0].upper()}{TELLS[name][1:]}."]
    if accuracy is not None:
        said.append(f"The original's accuracy is {accuracy:.4f}.")
    said.append(f"Rounding moves its answers by {report.noise_floor:.1g}.")
    lines = [f"## {name}", "", " ".join(said), "", *markdown_table(COLUMNS, report.table()), ""]
    if "unrolled" in kept:
        lines[2] += " It loops over time, so its files take one row at a time."
        unrolled = parse_report(kept["unrolled"], RESULTS.name)
        lines += ["With `--unroll`, for any number of rows:", "", *markdown_table(COLUMNS, unrolled.table()), ""]
    return "\n".join(lines)
