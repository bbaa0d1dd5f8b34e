"""Writing a graph model in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taxiway.browser.convert.operations import read_operations
from taxiway.browser.convert.weights import Quantisation
from taxiway.browser.convert.write import convert

__all__ = ["MODEL_FILE", "graph_model"]

MODEL_FILE = "model.json"


def graph_model(saved_model: str, signature: str, weights: Quantisation, converter: str, out: str) -> dict[str, Any]:
    """Write ``model.json`` and its shards into the directory ``out``.

    Args:
        saved_model: the original's directory.
        signature: which one of it.
        weights: what large tensors of weights are kept as.
        converter: the folder of ``@tensorflow/tfjs-converter``.
        out: where to; it exists.

    Returns:
        ``files``, by their names, the model first, and ``tensorflow.js``, the version that the operations are of.
    """
    operations = read_operations(Path(converter))
    converted = convert(Path(saved_model), operations, signature=signature, weights=weights)
    (Path(out) / MODEL_FILE).write_text(json.dumps(converted.document, separators=(",", ":")), encoding="utf-8")
    for name, data in converted.shards.items():
        (Path(out) / name).write_bytes(data)
    return {"files": [MODEL_FILE, *converted.shards], "tensorflow.js": operations.version}
