"""The package's front door."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from typing import Any

import pytest

import taxiway


def test_import_is_light() -> None:
    code = "import sys, taxiway; print(*(name for name in sys.modules if name.startswith('taxiway')))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["taxiway"]


def test_a_stage_is_a_package_and_a_function() -> None:
    stage = types.ModuleType("taxiway.publish")
    stage.publish = lambda model, store="models/": (model, store)  # type: ignore[attr-defined]
    kept = taxiway.__dict__.get("publish")
    try:
        taxiway.publish = stage  # type: ignore[assignment]  # what the import of taxiway.publish does
        call: Any = taxiway.publish
        assert call("m") == ("m", "models/")
        assert list(inspect.signature(taxiway.publish).parameters) == ["model", "store"]
    finally:
        if kept is None:
            del taxiway.__dict__["publish"]
        else:
            taxiway.__dict__["publish"] = kept


def test_errors_are_reachable_and_unknown_names_are_not() -> None:
    assert taxiway.errors.NotFound.kind == "NOT_FOUND"
    with pytest.raises(AttributeError, match="nonsense"):
        taxiway.nonsense  # noqa: B018
    assert "Client" in dir(taxiway)
