"""Feedback: what is said of an answer, and of many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from taxiway.client.transport import Judgement
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound

__all__ = ["Feedback", "FeedbackCounts", "Label", "give_all"]

Label = int | str
"""A class: its index, its number, or its name."""

MAX_AT_ONCE = 64
_MAX_REFUSED_KEPT = 100


@dataclass(frozen=True)
class Feedback:
    """What became of one answer: exactly one of ``label``, ``value`` and ``correct``.

    Attributes:
        request_id: the answer's.
        label: the right class, of each row where there are several.
        value: a number that the answer led to.
        correct: whether it was right.
        where: what the caller calls this feedback, such as a line of a file; it comes back with a refusal.

    Raises:
        InvalidArgument: not exactly one is given, or the id is empty.
    """

    request_id: str
    label: Label | Sequence[Label] | None = None
    value: float | None = None
    correct: bool | None = None
    where: str = ""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.label, self.value, self.correct)) != 1:
            raise InvalidArgument("Feedback says exactly one of label, value and correct.")
        if not self.request_id:
            raise InvalidArgument("Feedback names no request.", hint="request_id is that of the answer.")

    @property
    def judgement(self) -> Judgement:
        """What is said, as it is sent."""
        return Judgement(None if self.label is None else _texts(self.label), self.value, self.correct)


@dataclass(frozen=True)
class FeedbackCounts:
    """What a server made of many feedbacks.

    Attributes:
        joined: found their answer, and count.
        repeated: found it, but the like was said before, which does not count twice.
        unknown: found none: no route led the request, its time is over, or the id is none of this server's.
        refused: found it, but cannot be compared with it.
        refusals: the first hundred refused, with the reason.
        unknown_because: what the server said of the first unknown one; empty when there is none.
    """

    joined: int = 0
    repeated: int = 0
    unknown: int = 0
    refused: int = 0
    refusals: tuple[tuple[Feedback, str], ...] = ()
    unknown_because: str = ""


class _Tally:
    """Counts from several threads. The first error that no other feedback would escape ends them all."""

    def __init__(self, feedbacks: Iterable[Feedback], give: Callable[[Feedback], bool]) -> None:
        self._feedbacks: Iterator[Feedback] = iter(feedbacks)
        self._give = give
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._ended = False
        self._joined, self._repeated, self._unknown, self._refused = 0, 0, 0, 0
        self._refusals: list[tuple[Feedback, str]] = []
        self._unknown_because = ""

    def work(self) -> None:
        """Give one after the other until there are no more."""
        try:
            while (feedback := self._next()) is not None:
                self._one(feedback)
        except BaseException:
            self._ended = True
            raise

    def counts(self) -> FeedbackCounts:
        """What it came to."""
        return FeedbackCounts(
            self._joined, self._repeated, self._unknown, self._refused, tuple(self._refusals), self._unknown_because
        )

    def _next(self) -> Feedback | None:
        with self._turn:
            return None if self._ended else next(self._feedbacks, None)

    def _one(self, feedback: Feedback) -> None:
        try:
            counted = self._give(feedback)
        except NotFound as error:
            with self._lock:
                self._unknown += 1
                self._unknown_because = self._unknown_because or error.message
        except (InvalidArgument, FailedPrecondition) as error:
            with self._lock:
                self._refused += 1
                if len(self._refusals) < _MAX_REFUSED_KEPT:
                    self._refusals.append((feedback, error.message))
        else:
            with self._lock:
                self._joined += counted
                self._repeated += not counted


def give_all(feedbacks: Iterable[Feedback], give: Callable[[Feedback], bool], at_once: int) -> FeedbackCounts:
    """Give every feedback, ``at_once`` at a time; they are taken from ``feedbacks`` as they are needed.

    Args:
        feedbacks: what is said, in any order.
        give: says one; whether it counts.
        at_once: 1 to 64.

    Raises:
        InvalidArgument: ``at_once`` is out of its range.
        TaxiwayError: the first that is not about one feedback; those before it are said.
    """
    if not 1 <= at_once <= MAX_AT_ONCE:
        raise InvalidArgument(f"at_once must be 1 to {MAX_AT_ONCE}; it is {at_once}.")
    tally = _Tally(feedbacks, give)
    with ThreadPoolExecutor(at_once, thread_name_prefix="feedback") as pool:
        working = [pool.submit(tally.work) for _ in range(at_once)]
    for one in working:
        one.result()
    return tally.counts()


def _texts(label: Label | Sequence[Label]) -> list[str]:
    """Labels as they are compared."""
    labels = [label] if isinstance(label, (str, int, np.integer)) else list(label)
    return [str(each) for each in labels]
