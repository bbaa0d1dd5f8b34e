"""What differs between two versions, by their manifests. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taxiway.stores.manifest import Manifest
from taxiway.types import JsonObject

__all__ = ["diff"]

_WHEN = {"created_at"}


def diff(before: Manifest, after: Manifest, profiles: tuple[JsonObject, JsonObject] | None = None) -> dict[str, Any]:
    """The differences of ``after`` from ``before``.

    Args:
        before, after: what they are made of.
        profiles: figures of their training rows by name, where they have them.

    Returns:
        A document: ``signatures`` and ``files`` (``added``, ``removed``, ``changed``: names), ``bytes`` (both sums),
        and for ``metrics``, ``parameters`` (the training run's), ``lineage`` and ``profile`` what changed, each name
        with its value ``before`` and ``after``, None where it is missing; numbers also with their ``difference``.
    """
    parameters = [_parameters(one.lineage) for one in (before, after)]
    rest = [{k: v for k, v in one.lineage.items() if k not in _WHEN | {"parameters"}} for one in (before, after)]
    return {
        "model": [before.model, after.model],
        "version": [before.version, after.version],
        "created_at": [before.lineage.get("created_at"), after.lineage.get("created_at")],
        "bytes": [before.size_bytes, after.size_bytes],
        "signatures": _names(_flat_signatures(before.signatures), _flat_signatures(after.signatures)),
        "files": _names(before.files, after.files),
        "metrics": _values(before.metrics, after.metrics),
        "parameters": _values(*parameters),
        "lineage": _values(*rest),
        "profile": _values(*profiles) if profiles is not None else {},
    }


def _parameters(lineage: JsonObject) -> JsonObject:
    found = lineage.get("parameters")
    return found if isinstance(found, Mapping) else {}


def _flat_signatures(signatures: JsonObject) -> dict[str, Any]:
    """``serving_default.inputs.image``: ``{"dtype": …, "shape": …}``, without the graph's own tensor names."""
    return {
        f"{name}.{way}.{key}": {"dtype": spec["dtype"], "shape": spec["shape"]}
        for name, signature in signatures.items()
        for way in ("inputs", "outputs")
        for key, spec in signature.get(way, {}).items()
    }


def _names(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }


def _values(before: JsonObject, after: JsonObject) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        pair = {"before": before.get(name), "after": after.get(name)}
        if pair["before"] == pair["after"]:
            continue
        numbers = [value for value in pair.values() if isinstance(value, (int, float)) and not isinstance(value, bool)]
        found[name] = {**pair, "difference": numbers[1] - numbers[0]} if len(numbers) == 2 else pair
    return found
