"""A process in which native code of others runs: it may die, and whoever asked lives on.

It reads one JSON document a line from standard input, ``{"job": name, …}``, and answers one a line into the file
descriptor of its first argument.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from taxiway.errors import TaxiwayError

__all__ = ["JOBS", "main"]

# A job: the function that does it. A module is imported by the process that needs it.
JOBS = {
    "original": "taxiway.artifacts.original:original",
    "convert": "taxiway.edge.convert:convert",
    "keras": "taxiway.artifacts.keras_file:export_file",
    "tokens": "taxiway.artifacts.keras_file:tokens",
    "split": "taxiway.artifacts.text_border:split_texts",
    "tokens_of_graph": "taxiway.artifacts.text_border:tokens_of_graph",
    "quantize": "taxiway.edge.quantize:quantize",
    "run": "taxiway.edge.litert:run",
    "engines": "taxiway.serve.engines:measured",
    "graph_model": "taxiway.browser.convert.job:graph_model",
}
_MOST_CHARACTERS = 8_000


def main() -> None:
    """Do jobs until standard input ends."""
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as replies:
        for line in sys.stdin:
            replies.write(json.dumps(_done(json.loads(line))) + "\n")
            replies.flush()


def _done(asked: dict[str, Any]) -> dict[str, Any]:
    module, _, name = JOBS[asked.pop("job")].partition(":")
    try:
        found = getattr(importlib.import_module(module), name)(**asked)
    except TaxiwayError as error:
        return {"kind": error.kind, "error": error.message, "hint": error.hint}
    except ImportError as error:
        return {"kind": "FAILED_PRECONDITION", "error": f"{error.name or error} is not installed", "hint": None}
    except Exception as error:  # noqa: BLE001  converters raise what they like, and it must reach whoever asked
        return {"kind": "UNKNOWN", "error": f"{type(error).__name__}: {error}"[:_MOST_CHARACTERS], "hint": None}
    return {"found": found}


if __name__ == "__main__":
    main()
