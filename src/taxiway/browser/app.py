"""The page around a model: an app that can be installed, and works without a network. All it needs is beside it."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.browser.npm import Packages
from taxiway.browser.typings import typings
from taxiway.contract.agreement import Array
from taxiway.wire.signatures import Signature, TensorSpec

__all__ = ["VENDOR", "page_config", "write_app"]

_ASSETS = Path(__file__).parent / "page"
# Of which package, and what; the loader loads the scripts in its own order.
VENDOR = (
    ("tfjs-core", "tf-core.min.js"),
    ("tfjs-converter", "tf-converter.min.js"),
    ("tfjs-backend-cpu", "tf-backend-cpu.min.js"),
    ("tfjs-backend-wasm", "tf-backend-wasm.min.js"),
    ("tfjs-backend-wasm", "tfjs-backend-wasm.wasm"),
    ("tfjs-backend-wasm", "tfjs-backend-wasm-simd.wasm"),
    ("tfjs-backend-wasm", "tfjs-backend-wasm-threaded-simd.wasm"),
)
_SIDES = range(8, 65)
_FLAT_SIDES = {64: 8, 784: 28}
_HIGHEST = (1.0, 16.0, 255.0)
# A fifth of the brightest is ink.
_INK = 0.2
_EXAMPLE_NUMBERS = 4096


def write_app(
    folder: Path,
    packages: Packages,
    signature: Signature,
    title: str,
    inputs: Mapping[str, Array] | None = None,
    scores: str | None = None,
) -> list[str]:
    """Write the page, the loader and what they load beside the ``model.json`` in a folder.

    Args:
        folder: where the model is.
        packages: TensorFlow.js.
        signature: what the model takes and gives.
        title: what the page is called.
        inputs: real rows, by input: they say how large the ink of a drawing is, and give a form its example.
        scores: the output that holds scores of classes; the page shows numbers when None.

    Returns:
        The files, by their names in the folder.
    """
    before = {path.name for path in folder.iterdir() if path.is_file()}
    for path in _ASSETS.iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    (folder / "vendor").mkdir()
    for package, name in VENDOR:
        shutil.copyfile(packages.path(package, f"dist/{name}"), folder / "vendor" / name)
    config = page_config(signature, title, inputs, scores)
    _write_json(folder / "page.json", config)
    (folder / "loader.d.ts").write_text(typings(signature, title), encoding="utf-8")
    _write_json(folder / "manifest.webmanifest", _manifest(title))
    name = re.sub(r"[^a-z0-9-]+", "-", title.lower()).strip("-") or "model"
    exports = {".": {"types": "./loader.d.ts", "default": "./loader.js"}}
    _write_json(folder / "package.json", {"name": name, "private": True, "type": "module", "exports": exports})
    _keep_offline(folder)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(written - before)


def page_config(
    signature: Signature, title: str, inputs: Mapping[str, Array] | None, scores: str | None
) -> dict[str, Any]:
    """What the page does: a drawing for one small square image, a form of the inputs for anything else."""
    base = {"title": title, "scores": scores}
    name, spec = next(iter(signature.inputs.items()))
    side = _side(spec) if len(signature.inputs) == 1 and scores is not None else None
    if side is None:
        return {**base, "kind": "form", "example": _example(inputs, signature)}
    rows = None if inputs is None else np.asarray(inputs[name], np.float64).reshape(-1, side, side)
    return {
        **base,
        "kind": "drawing",
        "hint": "Draw a digit, and see what the model makes of it." if _digits(signature, scores) else None,
        "input": name,
        "shape": list(spec.shape or ())[1:],
        "side": side,
        "range": _range(spec, rows),
        "ink": 0.75 if rows is None else _inked(rows),
        # As the rows of the two well-known sets of digits were made: small ones cut out, large ones by their mass.
        "centre": "mass" if side >= 20 else "box",
        "brush": 0.1 if side < 20 else 0.09,
    }


def _side(spec: TensorSpec) -> int | None:
    """How many pixels each way, where rows are small square images in grey."""
    # One drawing is one row: a model that takes several at a time has a form.
    if spec.shape is None or len(spec.shape) < 2 or spec.shape[0] not in (None, 1) or spec.dtype_name == "bool":
        return None
    row = spec.shape[1:]
    if len(row) == 1:
        return _FLAT_SIDES.get(row[0] or 0)
    square = len(row) in (2, 3) and row[0] == row[1] and row[2:] in ((), (1,))
    return row[0] if square and row[0] in _SIDES else None


def _digits(signature: Signature, scores: str | None) -> bool:
    shape = signature.outputs[scores or ""].shape
    return bool(shape) and shape is not None and shape[-1] == 10


def _range(spec: TensorSpec, rows: Array | None) -> list[float]:
    if rows is None:
        return [0.0, 255.0 if "int" in spec.dtype_name else 1.0]
    high = next((one for one in _HIGHEST if rows.max() <= one), float(rows.max()))
    return [-high if rows.min() < 0 else 0.0, high]


def _inked(rows: Array) -> float:
    """The part of an image's side that its ink spans, in the middle of the rows."""
    low, high = rows.min(), rows.max()
    found = []
    for row in rows[:512]:
        there = np.argwhere(row > low + _INK * (high - low))
        if len(there):
            found.append((there.max(axis=0) - there.min(axis=0)).max() + 1)
    return round(float(np.median(found)) / rows.shape[1], 3) if found else 0.75


def _example(inputs: Mapping[str, Array] | None, signature: Signature) -> dict[str, Any] | None:
    """The first row, or as many as the model must be given, where a form can show them."""
    rows = next((one.shape[0] for one in signature.inputs.values() if one.shape and one.shape[0]), 1)
    if inputs is None or rows * sum(math.prod(one.shape[1:]) for one in inputs.values()) > _EXAMPLE_NUMBERS:
        return None
    return {name: np.round(one[:rows].astype(np.float64), 4).tolist() for name, one in inputs.items()}


def _manifest(title: str) -> dict[str, Any]:
    return {
        "name": title,
        "short_name": title[:12],
        "start_url": "index.html",
        "scope": "./",
        "display": "standalone",
        "background_color": "#15171c",
        "theme_color": "#15171c",
        "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }


def _keep_offline(folder: Path) -> None:
    """Fill in the service worker: which files it keeps, and which build they are."""
    worker = folder / "service-worker.js"
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != worker)
    names = [path.relative_to(folder).as_posix() for path in paths]
    build = hashlib.sha256()
    for path, name in zip(paths, names, strict=True):
        build.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    kept = [one for one in names if one not in ("package.json", "loader.d.ts")]
    text = worker.read_text(encoding="utf-8").replace("{{build}}", build.hexdigest()[:16])
    worker.write_text(text.replace("{{files}}", json.dumps(kept)), encoding="utf-8")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
