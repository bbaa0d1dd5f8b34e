"""Asking a server from several threads, saying what was right, and what the answers were like."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import taxiway

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Cases:
    """Rows and the right answers.

    Attributes:
        images: (n, 8, 8), as the scanner gave them.
        labels: (n,), what was written.
        answers: version → (n, 10), the probabilities that version gives; NaN where it has a fault.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    answers: Mapping[int, NDArray[np.float32]]


@dataclass(frozen=True)
class Asked:
    """One request: when it was sent and answered (seconds of one clock), by which version, and what was wrong.

    ``faulty`` are answers that are no number, from a version that is known to give such.
    """

    sent: float
    answered: float
    version: int
    problem: str | None
    faulty: bool = False
    request_id: str | None = None

    @property
    def milliseconds(self) -> float:
        """How long the answer took."""
        return (self.answered - self.sent) * 1000


class Askers:
    """Threads that keep asking at a steady pace until they are stopped. Every answer is held to its version's own.

    Every second thread says whose its requests are: a reader who comes once, with ten digits. While ``say_right`` is
    set they also tell the server which digit was right.

    Args:
        urls: one address a thread, ``http://…`` or ``grpc://…``.
        cases: what to ask and what must come back.
        pace_seconds: each thread sends one request in this time.
    """

    def __init__(self, urls: Sequence[str], cases: Cases, pace_seconds: float = 0.01) -> None:
        self._cases = cases
        self._pace_seconds = pace_seconds
        self._stop = threading.Event()
        self.say_right = threading.Event()
        self._asked: list[list[Asked]] = [[] for _ in urls]
        self._threads = [
            threading.Thread(target=self._keep_asking, args=(url, log, index), name=f"asker-{index}", daemon=True)
            for index, (url, log) in enumerate(zip(urls, self._asked, strict=True))
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every thread finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def asked(self) -> list[Asked]:
        """Every request answered until now."""
        return [one for log in self._asked for one in list(log)]

    def wait_for(self, version: int, timeout_seconds: float) -> float | None:
        """Wait until each thread's latest answer came from ``version``.

        Returns:
            The moment the last of them was answered; None when it did not happen in time.
        """
        deadline = time.perf_counter() + timeout_seconds
        while time.perf_counter() < deadline:
            latest = [log[-1] for log in self._asked if log]
            if len(latest) == len(self._asked) and all(one.version == version for one in latest):
                return max(one.answered for one in latest)
            self._stop.wait(0.02)
        return None

    def _keep_asking(self, url: str, log: list[Asked], number: int) -> None:
        count, turn = len(self._cases.images), 0
        with taxiway.Client(url) as client:
            while not self._stop.wait(self._pace_seconds):
                turn += 1
                row = (turn + number * count // len(self._asked)) % count
                reader = f"reader-{number}-{turn // 10}" if number % 2 else None
                log.append(ask(client, self._cases, row, reader))
                if self.say_right.is_set() and log[-1].request_id is not None:
                    say_right(client, log[-1].request_id, int(self._cases.labels[row]))


def ask(client: taxiway.Client, cases: Cases, row: int, reader: str | None = None) -> Asked:
    """Ask for one row, and hold the answer to that of the version it names."""
    sent = time.perf_counter()
    try:
        answer = client.predict("digits", {"image": cases.images[row : row + 1]}, routing_key=reader)
    except taxiway.errors.TaxiwayError as error:
        return Asked(sent, time.perf_counter(), 0, f"{error.kind}: {error}")
    answered = time.perf_counter()
    version, given = answer.version or 0, answer["probabilities"]
    right = cases.answers.get(version)
    problem, faulty = None, False
    if right is None:
        problem = f"version {version} answered, which was never published"
    elif not np.allclose(given, right[row], atol=TOLERANCE, equal_nan=True):
        problem = f"version {version} answered wrongly"
    elif np.isnan(given).any():
        problem, faulty = f"version {version} answered what is no number", True
    return Asked(sent, answered, version, problem, faulty, answer.request_id)


def say_right(client: taxiway.Client, request_id: str, label: int) -> None:
    """Tell the server which digit was right. It remembers answers while a rollout is under way only."""
    with suppress(taxiway.errors.NotFound):
        client.feedback("digits", request_id, label=label)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
