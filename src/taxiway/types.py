"""Words that several packages use and none of them owns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["Json", "JsonObject", "ModelName", "VersionNumber"]

Json: TypeAlias = Any
"""What :mod:`json` reads and writes: None, bool, int, float, str, lists and string-keyed dictionaries of them."""

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON document whose top level is an object."""

ModelName: TypeAlias = str
"""What requests call a model: no slash, no colon, not empty."""

VersionNumber: TypeAlias = int
"""A version's directory name, read as an integer."""
