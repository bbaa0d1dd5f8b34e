"""The hard brake: so many bad answers at once that no test is needed.

It stands outside the statistics. Five bad answers, and more than half of the last twenty bad: the version goes back
whatever the control does at the same time, since a shared outage is no reason to keep a new version either. Because it
compares with nothing, only the server's own faults count here: callers who send nonsense, leave, or give an answer no
time must not stop a good version. What a version refuses wrongly, or lets hang, is for the test to find, after 14 to 18
units.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MOST_BAD_SHARE", "WINDOW", "WORST", "Recent", "brake"]

WORST = 5
WINDOW = 20
MOST_BAD_SHARE = 0.5


@dataclass(frozen=True)
class Recent:
    """Faults among the canary's last answers, at most :data:`WINDOW`, and all of them so far."""

    bad: int = 0
    answers: int = 0
    bad_ever: int = 0


def brake(recent: Recent) -> bool:
    """Whether to go back at once."""
    return recent.bad_ever >= WORST and recent.bad > MOST_BAD_SHARE * recent.answers
