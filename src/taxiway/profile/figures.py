"""A profile in few numbers by name, so that two can be laid side by side."""

from __future__ import annotations

from collections.abc import Iterator

from taxiway.profile.document import Categories, Profile, Summary, Tensor

__all__ = ["figures"]

_SHARES = 10


def figures(profile: Profile | None) -> dict[str, float]:
    """Mean and deviation of numbers, shares of the ten most frequent values, metrics; empty without a profile."""
    if profile is None:
        return {}
    found: dict[str, float] = {"rows": profile.rows}
    for name, summary in profile.features.items():
        found.update(_figures(name, summary))
    for name, summary in profile.answers.items():
        found.update(_figures(f"→ {name}", summary))
    if profile.scores is not None:
        found.update({f"→ {name}": value for name, value in profile.scores.metrics.items()})
    return found


def _figures(name: str, summary: Summary) -> Iterator[tuple[str, float]]:
    if isinstance(summary, Categories):
        for text, count in list(summary.top.items())[:_SHARES]:
            yield f"{name} = {text}", count / summary.total
        return
    numbers = summary.elements if isinstance(summary, Tensor) else summary
    if numbers.mean is not None and numbers.deviation is not None:
        yield f"{name} mean", numbers.mean
        yield f"{name} deviation", numbers.deviation
