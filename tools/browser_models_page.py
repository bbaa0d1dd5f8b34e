"""docs/reference/browser-models.md, from the reports that ``python -m examples.edge.pages FOLDER`` kept."""

from __future__ import annotations

import json
from typing import Any

from examples.edge.models import EXAMPLES
from examples.edge.pages import RESULTS
from taxiway.contract import Variant, tolerance
from taxiway.contract.report import COLUMNS, markdown_table, parse_report
from tools.edge_models_page import TELLS

PAGE = """\
# Seven models as web pages

Generated from `browser-models.json` beside it, which `python -m examples.edge.pages FOLDER` measured; do not edit.

The models of [the table of LiteRT files](edge-models.md), made by `taxiway browser build` and asked the same {rows}
held-back digits in headless Chromium on wasm; the plain JavaScript backends, in Chromium (cpu) and in Node, answer the
first 32 of the float32 page. Each is held to `{contract}` against the SavedModel's own answers, and float32 to 1e-5
besides, or to what TensorFlow's rounding explains. Refused ones are not written. Size: the model and its weights,
without TensorFlow.js. Latency: {measured}. It has {machine}, and did other work too: read ratios. Made with {made}.

{models}"""

_EXACT = 1e-5


def render() -> str:
    """The page."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    first = parse_report(kept["models"]["mlp"]["report"], RESULTS.name)
    return PAGE.format(
        rows=first.rows,
        contract=first.contract,
        measured=first.measured,
        machine=f"{kept['machine']['cpus']} CPUs, {kept['machine']['machine']}",
        made=", ".join(f"{name} {version}" for name, version in first.made_with.items()),
        models="\n".join(_model(name, kept["models"][name]) for name in EXAMPLES),
    )


def bound(one: Variant, floor: float) -> str:
    """Which bound a float32 page's numbers on wasm are within; empty when none holds."""
    if one.agreement is None:
        return ""
    largest = one.agreement.largest_difference
    if largest <= _EXACT:
        return "1e-5"
    if largest <= floor:
        return f"its noise floor, {floor:.1e}"
    return f"{tolerance(floor):.1e}, what its noise floor allows" if largest <= tolerance(floor) else ""


def _model(name: str, kept: Any) -> str:
    report = parse_report(kept["report"], RESULTS.name)
    whole = report.variants[0]
    said = [f"{TELLS[name][0].upper()}{TELLS[name][1:]}."]
    if held := bound(whole, report.noise_floor):
        said.append(f"On wasm no number of the float32 page is further from TensorFlow's than {held}.")
    said.append(f"Rounding moves TensorFlow's own answers by {report.noise_floor:.1g}.")
    said += _elsewhere(whole)
    if kept["signature"] != "serving_default":
        said.append(f"The table is of the signature `{kept['signature']}`, which takes numbers.")
    return "\n".join([f"## {name}", "", " ".join(said), "", *markdown_table(COLUMNS, report.table()), ""])


def _elsewhere(one: Variant) -> list[str]:
    """What the backends after the first found."""
    found = []
    for name, notes in list(one.notes["backends"].items())[1:]:
        if "error" in notes:
            found.append(f"{name}: {notes['error']}")
        else:
            found.append(f"On {name} {notes['difference']:.1e} from wasm's numbers, {notes['us'] / 1000:.1f} ms a row.")
    return found
