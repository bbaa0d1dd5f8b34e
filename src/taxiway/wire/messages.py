"""The message classes of ``proto/`` by their short names; ``messages.pyi``, generated, gives them types."""

from __future__ import annotations

from typing import Any

from taxiway.wire import message

_PACKAGES = ("tensorflow", "tensorflow.profiler", "tensorflow.serving", "taxiway", "taxiway.v1")


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for package in _PACKAGES:
            try:
                return globals().setdefault(name, message(f"{package}.{name}"))
            except KeyError:
                continue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
