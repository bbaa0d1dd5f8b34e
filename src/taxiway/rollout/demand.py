"""What a plan demands of a replay: recorded requests, asked of both versions before any user sees the new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from taxiway.errors import InvalidArgument

__all__ = ["ReplayDemand", "met", "progress", "unmet"]

MOST_REQUESTS = 100_000


@dataclass(frozen=True)
class ReplayDemand:
    """What a replay has to come to. Parts are fractions.

    At least ``min_agreement`` of the rows get the same answer of both versions: the same top class where there are
    classes, otherwise the same values within ``tolerance``; requests that only the new version refuses do not agree.
    It refuses at most ``max_error_rate`` of the requests that the old one answers, and takes, by the medians, at most
    ``max_slowdown`` times as long. So many ``requests`` are asked.
    """

    min_agreement: float = 0.98
    max_error_rate: float = 0.01
    max_slowdown: float = 2.0
    requests: int = 200
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("min_agreement", "max_error_rate"):
            part = getattr(self, name)
            if not 0 <= part <= 1:
                raise InvalidArgument(f"a replay's {name} of {part:g}", hint="a fraction from 0 to 1, or 98%")
        if not self.max_slowdown > 0 or not self.tolerance >= 0:
            raise InvalidArgument(
                f"a replay's max_slowdown of {self.max_slowdown:g} and tolerance of {self.tolerance:g}",
                hint="such as max_slowdown = 1.5, tolerance = 0.001",
            )
        if not 1 <= self.requests <= MOST_REQUESTS:
            raise InvalidArgument(f"a replay of {self.requests} requests", hint=f"1 to {MOST_REQUESTS}")

    def document(self) -> dict[str, Any]:
        """For the journal: the keys of a plan's ``[replay]``."""
        return asdict(self)


def met(demand: ReplayDemand, found: Mapping[str, Any] | None) -> bool | None:
    """Whether a replay met the demand; None while it is under way."""
    return None if found is None or not found["done"] else not unmet(demand, found)


def progress(found: Mapping[str, Any] | None) -> str:
    """How far a replay that is under way has come."""
    return "" if found is None else f"{found['asked']} of {found['requests']} recorded requests were asked"


def unmet(demand: ReplayDemand, found: Mapping[str, Any]) -> str:
    """What is demanded and was not found, with the worst example; empty when all of it was."""
    missing = []
    agreement, refused, slowdown = found["agreement"], found["error_rate"], found["slowdown"]
    if agreement < demand.min_agreement:
        missing.append(f"{_percent(agreement)} agree, {_percent(demand.min_agreement)} demanded")
    if refused > demand.max_error_rate:
        missing.append(f"it alone refuses {_percent(refused)}, at most {_percent(demand.max_error_rate)} allowed")
    if slowdown is not None and slowdown > demand.max_slowdown:
        missing.append(f"it takes {slowdown:.3g} times as long, at most {demand.max_slowdown:g} allowed")
    if not missing:
        return ""
    worst = f"; worst: {_example(found['worst'][0])}" if found["worst"] else ""
    return "; ".join(missing) + worst


def _example(worst: Mapping[str, Any]) -> str:
    by = f" by {worst['largest']:.3g}" if isinstance(worst.get("largest"), float) else ""
    where = f" in {worst['output']}" if worst.get("output") else ""
    return f"request {worst['request']}, {worst['what']}{where}{by}"


def _percent(part: float) -> str:
    return f"{100 * part:.4g} %"
