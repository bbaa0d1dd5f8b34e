"""Traffic like the real one: recorded requests, at a rate, from several threads; and what it met."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from taxiway.client import Client
from taxiway.errors import FailedPrecondition, NotFound
from taxiway.replay.ask import Asker
from taxiway.replay.compare import Answered, difference_of
from taxiway.rollout.routing import CANARY
from taxiway.wire.recording import Recorded

__all__ = ["BAD", "MODEL", "SOUND", "Case", "Met", "Traffic"]

MODEL, SOUND, BAD = "drill", 1, 2
"""What is served: the version as it is, and the same one with faults."""

_THREADS = 4
_TOLERANCE = 1e-3


@dataclass
class Met:
    """What the requests met, of which version: answers, errors, wrong and slow ones."""

    answered: dict[int, int] = field(default_factory=dict)
    errors: int = 0
    wrong: int = 0
    slow: int = 0

    @property
    def affected(self) -> int:
        """Requests that the new version answered badly."""
        return self.errors + self.wrong + self.slow


@dataclass(frozen=True)
class Case:
    """A request, what the sound version answers to it, and the right class of each of its rows where there are any."""

    request: Recorded
    expected: Answered
    labels: Sequence[int] = ()


class Traffic:
    """Asks again and again, until it is stopped.

    Args:
        address: ``host:port`` of the server's gRPC port.
        cases: what is asked, in turn; labels are told by feedback.
        rate: requests a second, over all threads; fewer when the server does not keep up.
        slow_seconds: what an answer takes at least that is slow on purpose; None when none is.
    """

    def __init__(self, address: str, cases: Sequence[Case], rate: float, slow_seconds: float | None) -> None:
        self._cases, self._slow = cases, slow_seconds
        self._pause = _THREADS / rate
        self._askers = [Asker(address, MODEL, 30.0) for _ in range(_THREADS)]
        self._clients = [Client(f"grpc://{address}", retries=0) for _ in range(_THREADS)]
        self._threads = [
            threading.Thread(target=self._run, args=(number, *both), daemon=True)
            for number, both in enumerate(zip(self._askers, self._clients, strict=True))
        ]
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.met = Met()

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        for asker, client in zip(self._askers, self._clients, strict=True):
            asker.close()
            client.close()

    def _run(self, number: int, asker: Asker, client: Client) -> None:
        due = time.monotonic() + self._pause * number / _THREADS
        while not self._stopped.wait(max(due - time.monotonic(), 0.0)):
            # A server that does not keep up is asked less often, and not all at once afterwards.
            due = max(due + self._pause, time.monotonic() - self._pause)
            case = self._cases[number % len(self._cases)]
            number += _THREADS
            answered = asker.ask(case.request, None)
            self._take(answered, case.expected)
            if case.labels and answered.arm and answered.error is None:
                # No answer is remembered before the rollout has begun, or after it ended.
                with contextlib.suppress(NotFound, FailedPrecondition):
                    client.feedback(MODEL, answered.request_id, label=list(case.labels))

    def _take(self, answered: Answered, expected: Answered) -> None:
        wrong = answered.error is None and _differs(answered, expected)
        with self._lock:
            # A refusal does not say its version, but its arm.
            met, version = self.met, answered.version or (BAD if answered.arm == CANARY else 0)
            met.answered[version] = met.answered.get(version, 0) + 1
            if version != BAD:
                return
            if answered.error is not None:
                met.errors += 1
            elif wrong:
                met.wrong += 1
            elif self._slow is not None and answered.seconds >= self._slow:
                met.slow += 1


def _differs(answered: Answered, expected: Answered) -> bool:
    found = difference_of(answered.outputs, expected.outputs, _TOLERANCE)
    return bool(found.differing or found.shape)
