"""What a row of the admin API is made of: an operation, and one call of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxiway.errors import InvalidArgument

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

__all__ = ["MAX_WAIT_SECONDS", "WHO", "Call", "Operation"]

MAX_WAIT_SECONDS = 300.0
WHO = ("string", "Who asks, for the history.")


@dataclass(frozen=True)
class Call:
    """One call: the model of the path, the parameters of the query, the members of the body, and who called."""

    handle: ServeHandle
    model: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    who: str

    def version(self, key: str) -> int | None:
        """The version that a member of the body says; None when it says none."""
        value = self.body.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidArgument(f"{key} must be a version number, not {value!r}")
        return value

    def wait_seconds(self) -> float:
        """How long the caller wants to wait."""
        wait = self.body.get("wait_seconds", 0)
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait <= MAX_WAIT_SECONDS:
            raise InvalidArgument(f"wait_seconds must be a number from 0 to {MAX_WAIT_SECONDS:g}")
        return float(wait)


@dataclass(frozen=True)
class Operation:
    """A row of the table of routes. ``parameters`` (of the query, or of the body of a POST): name to (type, text)."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Any]
    parameters: Mapping[str, tuple[str, str]]
