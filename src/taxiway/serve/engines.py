"""Which engine a version is loaded with, whether its requests share runs, and what measuring found; the data plane
measures (``choose``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taxiway.errors import TaxiwayError
from taxiway.serve import tflite_file
from taxiway.stores import read_manifest
from taxiway.types import JsonObject

__all__ = ["LITERT_FILE", "asked_engine", "batching_lines", "choice_lines", "measured", "shown_by", "tell_loaded"]

log = logging.getLogger(__name__)

LITERT_FILE = "model.tflite"
# What publishing measured was on another machine: only where LiteRT is clearly the faster one is that enough.
_CLEARLY_FASTER = 0.7


def asked_engine(engine: str, directory: Path) -> tuple[str, list[str]]:
    """What a load is asked for: the engine, and the signatures of which nothing needs to be measured.

    Args:
        engine: the setting.
        directory: the version's, whose files are those of its manifest, where it has one.
    """
    lite = directory / LITERT_FILE
    if engine != "auto" or not lite.is_file() or not (directory / "saved_model.pb").is_file():
        return engine, []
    if not tflite_file.is_whole(lite):
        return "prefer_tensorflow", []
    try:
        return engine, shown_by(read_manifest(directory).litert)
    except TaxiwayError:
        return engine, []


def shown_by(litert: JsonObject) -> list[str]:
    """The signatures that publishing found LiteRT to answer alike, and clearly faster.

    Args:
        litert: what the manifest says; empty when it says nothing.
    """
    signatures = litert.get("signatures") if litert.get("file") else None
    return sorted(name for name, one in (signatures or {}).items() if _is_shown(one))


def _is_shown(one: Any) -> bool:
    if not isinstance(one, Mapping) or one.get("kept") is not True:
        return False
    tensorflow, litert = one.get("tensorflow_us"), one.get("litert_us")
    return isinstance(tensorflow, float) and isinstance(litert, float) and litert <= _CLEARLY_FASTER * tensorflow


def measured(directory: str) -> dict[str, Any]:
    """Load a version on its engines as a server would, whatever its manifest says, and let it go again.

    Returns:
        Its description: ``engine``, ``choice``, ``batching``, ``load_ms`` and what else there is.

    Raises:
        TaxiwayError: no engine loads it, or a warm-up request fails.
    """
    from taxiway.serve.server import NativeDataPlane, load_spec
    from taxiway.settings import AUTO_BATCHED, ModelSettings, ServerSettings

    settings = ServerSettings(rest_port=-1, grpc_port=-1, admin_port=-1)
    plane = NativeDataPlane(settings)
    spec = load_spec(settings)("model", 1, str(Path(directory).absolute()), ModelSettings(batching=AUTO_BATCHED))
    loaded = plane.load({**spec, "shown": []})
    try:
        return dict(loaded.describe())
    finally:
        loaded.release(1.0)
        plane.stop(0.0)


def tell_loaded(model: str, version: int, described: JsonObject) -> None:
    """Write to the log that a version is loaded, and why on this engine."""
    log.info("%s: version %d is loaded", model, version)
    for line in choice_lines(described.get("choice")) + batching_lines(described.get("batching")):
        log.info("%s: version %d: %s", model, version, line)


def choice_lines(choice: JsonObject | None) -> list[str]:
    """Sentences on why an engine runs a version; none where there was nothing to choose."""
    if not choice:
        return []
    lines = [str(choice["why"])] if choice.get("why") else []
    return lines + [f"{name}: {one['engine']}: {_sentence(one)}" for name, one in choice["signatures"].items()]


def batching_lines(batching: JsonObject | None) -> list[str]:
    """Sentences on which signatures' requests share runs, and why; none where that was not to be found out."""
    return [] if not batching else [_gathered(name, one) for name, one in batching["signatures"].items()]


def _gathered(name: str, one: JsonObject) -> str:
    what = f"batches of up to {one['rows']} rows" if one["rows"] else "no batches"
    parts = [str(one["why"]), *_apart(one)]
    if "batch_us" in one:
        parts.append(f"one row {one['row_us']:,.0f} µs, {one['batch_rows']} rows {one['batch_us']:,.0f} µs")
    return f"{name}: {what}: {'; '.join(parts)}"


def _apart(one: JsonObject) -> list[str]:
    if "largest_difference" not in one:
        return []
    far, allowed = one["largest_difference"], one["allowed_difference"]
    return [f"{far:.1e} apart where {allowed:.1e} is rounding, in {one.get('requests', 0)} requests"]


def _sentence(one: JsonObject) -> str:
    parts = [str(one["why"]), *_apart(one)]
    for what, said in (("_batch_us", " a full batch"), ("_us", "")):
        times = [(name.removesuffix(what), one[name]) for name in one if name.endswith(what)]
        if what == "_us":
            times = [(name, time) for name, time in times if not name.endswith("_batch")]
        if times:
            parts.append(", ".join(f"{name} {time:,.0f} µs" for name, time in times) + said)
    return "; ".join(parts)
