"""What a bench found, and what to make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taxiway.load.equal import Equality
from taxiway.load.percentiles import least_answers
from taxiway.load.window import PERCENTILES, Window

__all__ = ["Report"]

# A thread that works so much of the time is what limits the load, not the server.
_BUSY = 0.9
# Tenths of a window that differ by more are told.
_UNEVEN = 1.5
_LEAST_IN_TENTH = 100
_NEAR = {"127.0.0.1", "localhost", "::1", ""}


@dataclass(frozen=True)
class Report:
    """Throughput and latencies of a server.

    Attributes:
        url: whom was asked.
        model: which model; ``version`` is the one that it said to be serving at the beginning, None if it does not say.
        version: see ``model``.
        signature: how it was asked.
        requests: what was sent, for people.
        request_bytes: the mean length of a request's message.
        windows: a stretch of load for each concurrency.
        equality: how answers compare with the first one to the same request.
        notes: what a reader should know of the figures.
        cores: of the machine that sent.
        interrupted: whether the user ended it early.
    """

    url: str
    model: str
    version: int | None
    signature: str
    requests: str
    request_bytes: float
    windows: tuple[Window, ...]
    equality: Equality
    notes: tuple[str, ...] = ()
    cores: int = 1
    interrupted: bool = False

    @property
    def answered(self) -> bool:
        """Whether every window had an answer."""
        return all(window.answers for window in self.windows)

    @property
    def best(self) -> Window:
        """The window with the highest throughput."""
        return max(self.windows, key=lambda window: window.throughput)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "url": self.url,
            "model": self.model,
            "version": self.version,
            "signature": self.signature,
            "requests": self.requests,
            "request_bytes": self.request_bytes,
            "windows": [window.as_json() for window in self.windows],
            "answers_that_differ": self.equality.as_json(),
            "notes": list(self.notes),
            "cores": self.cores,
            "interrupted": self.interrupted,
        }


def notes_on(windows: tuple[Window, ...], equality: Equality, host: str, cores: int) -> Iterator[str]:
    """Sentences on what the figures can be trusted for."""
    for window in windows:
        yield from (f"at {_connections(window)}: {sentence}" for sentence in _of_window(window))
    missing = {
        name: [str(window.concurrency) for window in windows if window.milliseconds(percent) is None]
        for name, percent in PERCENTILES.items()
    }
    for name, where in missing.items():
        if where:
            least = least_answers(PERCENTILES[name])
            yield f"{name} needs {least:,} answers, and at {', '.join(where)} there are fewer: longer --seconds"
    if host in _NEAR:
        shared = "1 core" if cores == 1 else f"{cores} cores"
        yield f"server and generator shared this machine's {shared}: from another machine the server may do more"
    yield from _of_answers(equality)


def _of_window(window: Window) -> Iterator[str]:
    if not window.whole:
        yield f"interrupted after {window.seconds:.1f} s"
    busiest = max(window.busy, default=0.0)
    if busiest > _BUSY:
        more = f"more --threads than {len(window.busy)}, or another machine"
        yield f"the generator was the limit ({busiest:.0%} of a core): the server may do more; {more}"
    if window.unsent:
        due = window.unsent + window.answers + window.failed
        yield (
            f"{window.unsent:,} of {due:,} requests fell due and were never sent: {window.rate:g} a second is more "
            "than is answered, and latencies grow for as long as it lasts"
        )
    if (late := window.late_milliseconds(99)) is not None and late > 1:
        yield f"the generator itself sent 1 % of the requests over {late:.1f} ms late, which their latencies include"
    least, most = min(window.slices, default=0), max(window.slices, default=0)
    if window.whole and least >= _LEAST_IN_TENTH and most > _UNEVEN * least:
        tenth = window.seconds / len(window.slices)
        yield f"uneven: its tenths had {least / tenth:,.0f} to {most / tenth:,.0f} answers a second"


def _of_answers(equality: Equality) -> Iterator[str]:
    if equality.close:
        yield (
            f"{equality.close:,} answers differ from the first to the same request by rounding, "
            f"{equality.largest:.1g} at most, as batching may make them"
        )
    if equality.different:
        versions = ", ".join(map(str, equality.versions))
        of = f" (versions {versions} answered)" if len(equality.versions) > 1 else ""
        which = "" if equality.example is None else f", such as those to request {equality.example}"
        yield f"{equality.different:,} answers DIFFER from the first to the same request{of}{which}"


def _connections(window: Window) -> str:
    return "1 connection" if window.concurrency == 1 else f"{window.concurrency} connections"
