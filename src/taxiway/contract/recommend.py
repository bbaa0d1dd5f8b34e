"""Which variant to take for a limit of size or latency."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from taxiway.errors import InvalidArgument
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway.contract.report import Variant

__all__ = ["Limit", "Recommendation", "parse_limits", "recommend"]

_TERM = re.compile(r"^\s*(bytes|gzip_bytes|latency_us)\s*<=\s*([0-9.]+(?:e[0-9]+)?)\s*([kM]?)B?\s*$")
_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000}
_FIELDS = {"bytes": "size_bytes", "gzip_bytes": "gzip_bytes", "latency_us": "latency_us"}
_EXAMPLE = "--recommend 'bytes<=200k' or 'latency_us<=100'"


@dataclass(frozen=True)
class Limit:
    """``what`` (``bytes``, ``gzip_bytes``, ``latency_us``) must be at most this."""

    what: str
    most: float

    def __str__(self) -> str:
        return f"{self.what}<={self.most:g}" if self.most < 1e6 else f"{self.what}<={self.most:,.0f}"

    def of(self, variant: Variant) -> float | None:
        """The variant's own figure."""
        value: float | None = getattr(variant, _FIELDS[self.what])
        return value


@dataclass(frozen=True)
class Recommendation:
    """Which variant, empty when none fits, and why."""

    asked: str
    variant: str
    why: str

    def __str__(self) -> str:
        return f"For {self.asked}: {f'take {self.variant}, ' if self.variant else ''}{self.why}."

    def as_json(self) -> JsonObject:
        """The document."""
        return asdict(self)


def parse_limits(text: str) -> list[Limit]:
    """The limits in a text: ``bytes<=200k``, ``latency_us<=100``, or both with a comma between.

    Raises:
        InvalidArgument: it is none.
    """
    found: dict[str, Limit] = {}
    for term in text.split(","):
        parts = _TERM.match(term)
        try:
            most = float(parts[2]) * _FACTORS[parts[3]] if parts else math.nan
        except ValueError:
            most = math.nan
        if parts is None or not math.isfinite(most):
            raise InvalidArgument(f"{term.strip()!r} is no limit of size or latency.", hint=_EXAMPLE)
        if parts[1] in found:
            raise InvalidArgument(f"{parts[1]} is limited twice: {text}.")
        found[parts[1]] = Limit(parts[1], most)
    return list(found.values())


def recommend(variants: Sequence[Variant], limits: Sequence[Limit]) -> Recommendation:
    """The variant to take among those that were written.

    Within limits of size the fastest one is taken, within a limit of latency alone the smallest one; the better
    agreement decides between equals.
    """
    asked = " and ".join(map(str, limits))
    kept = [one for one in variants if one.kept]
    if not kept:
        return Recommendation(asked, "", "there is none, for every variant was refused")
    fitting = [one for one in kept if all(_fits(limit, one) for limit in limits)]
    if not fitting:
        return Recommendation(asked, "", _nearest(kept, limits))
    by_size = any(limit.what != "latency_us" for limit in limits)
    best = min(fitting, key=lambda one: (_figure(one, by_size), -_agreement(one), _figure(one, not by_size)))
    rank = "the fastest" if by_size else "the smallest"
    among = f"of the {len(fitting)} that fit" if len(fitting) > 1 else "and the only one that fits"
    what = _said(best)
    return Recommendation(asked, best.name, f"{rank} {among}: {what}" if len(fitting) > 1 else f"{what}, {among}")


def _fits(limit: Limit, variant: Variant) -> bool:
    value = limit.of(variant)
    return value is not None and value <= limit.most


def _figure(variant: Variant, latency: bool) -> float:
    value = variant.latency_us if latency else variant.size_bytes
    return math.inf if value is None else float(value)


def _agreement(variant: Variant) -> float:
    found = variant.agreement
    return 0.0 if found is None or found.agreement is None else found.agreement


def _nearest(kept: Sequence[Variant], limits: Sequence[Limit]) -> str:
    near = []
    for limit in limits:
        figures = [(value, one.name) for one in kept if (value := limit.of(one)) is not None]
        if figures and min(figures)[0] > limit.most:
            value, name = min(figures)
            near.append(f"the least {limit.what} is {value:,.0f}, of {name}")
    return f"none fits; {' and '.join(near)}" if near else "none fits all limits at once"


def _said(variant: Variant) -> str:
    size = "" if variant.size_bytes is None else f"{variant.size_bytes:,} bytes"
    latency = "" if variant.latency_us is None else f"{variant.latency_us:,.0f} µs"
    return ", ".join(filter(None, (size, latency)))
