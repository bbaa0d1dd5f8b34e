"""Builds a web page of every model, and keeps the reports that docs/reference/browser-models.md is drawn from.

    python -m examples.edge.pages FOLDER [NAME …]

trains what is not in ``FOLDER`` yet; the rest takes about four minutes, and TensorFlow.js and Chromium. Then
``python tools/generate.py`` draws the page. With names only those models are measured again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from examples.edge.models import EXAMPLES, HELD_BACK, write
from examples.edge.table import command, keep, known
from taxiway.artifacts import Source, Workshop, rows_of, signature_of
from taxiway.browser import DEFAULT_BACKENDS, QUANTISATIONS, npm
from taxiway.browser.build import Wish, build_of, contract_of
from taxiway.browser.tried import Runtimes, runtimes
from taxiway.contract import Report

RESULTS = Path(__file__).parents[2] / "docs" / "reference" / "browser-models.json"


@dataclass(frozen=True)
class Tools:
    """What all models share, since each takes seconds to start."""

    workshop: Workshop
    packages: npm.Packages
    where: Runtimes


def measured(folder: Path, name: str, tools: Tools) -> dict[str, Any]:
    """The reports of a model with each kind of weights, as one."""
    model = write(name, folder)
    source = Source(model, name, None, None, f"examples/edge: {name}", folder)
    # Loops with a free batch work in TensorFlow.js; texts do not.
    signature = "ids" if name == "text" else "serving_default"
    found: dict[str, Any] = {"signature": signature}
    asked = signature_of(source, signature, "TensorFlow.js")
    rows = rows_of(folder / f"{name}.npz", None, (signature, asked), model)
    reports: list[Report] = []
    for weights in QUANTISATIONS:
        # The other backends compute alike, whatever the weights were kept as.
        where = tools.where if weights == "float32" else Runtimes(tools.where.there[:1])
        wish = Wish(signature, contract_of(None, weights), weights, out=folder / "artifacts" / f"{name}-{weights}")
        reports.append(build_of(tools.workshop, source, wish, tools.packages, rows=rows, where=where).report)
    variants = [replace(report.variants[0], contract=report.contract) for report in reports]
    report = replace(reports[-1], variants=variants, data=f"{HELD_BACK} held-back digits")
    return {**found, "report": report.as_json()}


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = command(__doc__)
    arguments = parser.parse_args(argv)
    models = known(RESULTS)
    packages = npm.find()
    with Workshop() as workshop, runtimes(DEFAULT_BACKENDS, packages) as where:
        if where.unverified:
            parser.error(where.unverified)
        for name in arguments.names or EXAMPLES:
            models[name] = measured(arguments.folder, name, Tools(workshop, packages, where))
            print(f"{name}: {[one['name'] for one in models[name]['report']['variants'] if one['kept']]}", flush=True)
            keep(models, RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
