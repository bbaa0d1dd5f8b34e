"""How much more must be seen until a test decides, if all goes on as it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from taxiway.rollout.evidence.harm import log_e_ceiling, log_e_harm, log_e_no_harm
from taxiway.rollout.evidence.mixture import Floats

__all__ = ["answers_below_ceiling", "events_to_clear", "events_to_convict", "growth"]

# Past a million times what was seen, "not at this rate" is the honest answer.
_DOUBLINGS = np.exp2(np.arange(21))
# Each round narrows a doubling 32 times: to a thousandth of it, and nobody needs more.
_ROUNDS, _PARTS = 2, 32


def growth(log_e: Callable[[Floats], Floats], alpha: float) -> float | None:
    """The factor, 1 or more, by which all counts must grow in proportion until ``log_e`` of it rejects at ``alpha``.

    None when they would have to grow a million times, or the evidence does not grow with them at all. ``log_e`` takes
    and returns an array.
    """
    target = -math.log(alpha)
    enough = log_e(_DOUBLINGS) >= target
    first = int(enough.argmax())
    if not enough[first]:
        return None
    if first == 0:
        return 1.0
    below, above = float(_DOUBLINGS[first - 1]), float(_DOUBLINGS[first])
    for _ in range(_ROUNDS):
        between = np.linspace(below, above, _PARTS + 1)
        # The last one is enough already; what stands before it may not be.
        first = int(np.append(log_e(between[1:-1]) >= target, True).argmax()) + 1
        below, above = float(between[first - 1]), float(between[first])
    return above


@lru_cache(maxsize=256)
def events_to_convict(alpha: float, margin: float = 0.0) -> int:
    """How many bad events, all of them the canary's, put it back: the least that any harm costs."""
    return next(events for events in range(1, 100_000) if log_e_harm(events, 0, margin) >= -math.log(alpha))


@lru_cache(maxsize=256)
def events_to_clear(ratio: float, alpha: float, share: float = 0.5) -> int | None:
    """How many bad events of both arms prove "less than ``ratio`` times", when the two are equal."""
    found = growth(lambda n: log_e_no_harm(n * share, n * (1 - share), ratio, share), alpha)
    return None if found is None else math.ceil(found)


@lru_cache(maxsize=256)
def answers_below_ceiling(rate: float, ceiling: float, alpha: float) -> int | None:
    """How many answers of the canary, of which the share ``rate`` is bad, prove "less than ``ceiling``"."""
    if not rate < ceiling < 1:
        return None
    found = growth(lambda n: log_e_ceiling(n * rate, n, ceiling), alpha)
    return None if found is None else math.ceil(found)
