"""When a failed load is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True)
class Backoff:
    """The wait doubles from ``first_seconds`` to ``longest_seconds``; after ``attempts`` failures it is given up.

    Each wait is shortened by up to half at random: models that failed together (a full disk, a store that is away) do
    not all come back in the same moment.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    attempts: int = 6

    def delay_seconds(self, failures: int, random: Callable[[], float]) -> float | None:
        """The wait after so many failures (1 or more); None when it is given up.

        Args:
            failures: loads that failed in a row.
            random: a number from 0 to 1.
        """
        if failures >= self.attempts:
            return None
        # 2 ** 63 seconds is more than anybody waits, and stays a float.
        full = min(self.first_seconds * 2.0 ** min(failures - 1, 63), self.longest_seconds)
        return full * (1.0 - 0.5 * random())
