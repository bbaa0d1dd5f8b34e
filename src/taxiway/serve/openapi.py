"""What the REST port answers, as an OpenAPI 3.1 document; a server has the same at ``/openapi.json``."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["document"]


def document() -> dict[str, Any]:
    """The document, as a value of one's own to change."""
    read: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_bytes())
    return read
