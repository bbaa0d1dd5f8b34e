"""What was asked, what came back, and what of it should not have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz.meant import is_meant

# As many of one operation and status are kept with their reproducers; all are counted.
KEPT = 3


@dataclass(frozen=True)
class Failure:
    """An answer that nobody meant, or none at all."""

    operation: str
    what: str
    reproducer: str


@dataclass
class Tally:
    """Counts of every answer; ``failures`` has what must not be."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return sum(self.counts.values())

    def answered(self, operation: str, status: str, message: str, reproducer: Callable[[], str]) -> None:
        """Count an answer. ``status`` is HTTP's number or gRPC's name of a code."""
        self.counts[operation, status] += 1
        if not is_meant(status, message):
            self._fail(operation, status, f"{status}: {message}", reproducer)

    def unanswered(self, operation: str, why: str, reproducer: Callable[[], str]) -> None:
        """Count a request that got no answer: a reset, a hang."""
        self.counts[operation, "no answer"] += 1
        self._fail(operation, "no answer", f"no answer: {why}", reproducer)

    def wrong(self, operation: str, what: str, reproducer: Callable[[], str]) -> None:
        """Note that an answer, counted already, is not what it should be."""
        self._fail(operation, "wrong", what, reproducer)

    def _fail(self, operation: str, kind: str, what: str, reproducer: Callable[[], str]) -> None:
        self.failed[operation, kind] += 1
        if self.failed[operation, kind] <= KEPT:
            self.failures.append(Failure(operation, what, reproducer()))

    def rows(self) -> list[tuple[str, int, str]]:
        """operation, requests, how often which status came, most often first."""
        by_operation: dict[str, Counter[str]] = defaultdict(Counter)
        for (operation, status), count in self.counts.items():
            by_operation[operation][status] += count
        return [
            (operation, statuses.total(), ", ".join(f"{status} ×{count}" for status, count in statuses.most_common()))
            for operation, statuses in by_operation.items()
        ]
