"""Builds every variant of every model, and keeps the reports that docs/reference/edge-models.md is drawn from.

    python -m examples.edge.table FOLDER [NAME …]

trains what is not in ``FOLDER`` yet; all of it takes about ten minutes. Then ``python tools/generate.py`` draws the
page. With names only those models are measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from examples.edge.models import EXAMPLES, HELD_BACK, RECURRENT, write
from taxiway.edge import build

RESULTS = Path(__file__).parents[2] / "docs" / "reference" / "edge-models.json"


def measured(folder: Path, name: str) -> dict[str, Any]:
    """The report of a model; of a recurrent one, also of its loops unrolled."""
    found: dict[str, Any] = {}
    model, rows = write(name, folder), folder / f"{name}.npz"
    built = build(model, data=rows, out=folder / "artifacts" / name)
    report = replace(built.report, source=f"examples/edge: {name}", data=f"{HELD_BACK} held-back digits")
    if name in RECURRENT:
        unrolled = build(
            folder / f"{name}.keras", data=rows, unroll=True, out=folder / "artifacts" / f"{name}-unrolled"
        )
        found["unrolled"] = replace(unrolled.report, source=report.source, data=report.data).as_json()
    return {**found, "report": report.as_json()}


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    arguments = command(__doc__).parse_args(argv)
    models = known(RESULTS)
    for name in arguments.names or EXAMPLES:
        models[name] = measured(arguments.folder, name)
        print(f"{name}: {[one['name'] for one in models[name]['report']['variants'] if one['kept']]}", flush=True)
        keep(models, RESULTS)
    return 0


def command(text: str | None) -> argparse.ArgumentParser:
    """The arguments of a command that measures the models: ``folder``, and ``names`` where not all are meant."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser


def known(file: Path) -> dict[str, Any]:
    """What was kept of each model."""
    return dict(json.loads(file.read_text(encoding="utf-8"))["models"]) if file.exists() else {}


def keep(models: Any, file: Path) -> None:
    """Write what is known so far."""
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    ordered = {name: models[name] for name in EXAMPLES if name in models}
    document = json.dumps({"machine": machine, "models": ordered}, indent=1, ensure_ascii=False)
    file.write_text(document + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
