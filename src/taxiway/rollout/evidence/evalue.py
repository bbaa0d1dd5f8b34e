"""What every test answers with: an e-value, or an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EValue", "Interval"]


@dataclass(frozen=True)
class EValue:
    """Evidence against a claim, as the logarithm of the bet's wealth: 0 is none, ln 100 is a hundred to one."""

    log_e: float

    @property
    def e(self) -> float:
        """The wealth itself; infinite when it does not fit a float."""
        return math.exp(self.log_e) if self.log_e < 709 else math.inf

    @property
    def p(self) -> float:
        """A p-value that may be read at any time: the chance, at most, of so much evidence against a true claim."""
        return min(1.0, math.exp(-self.log_e))

    def reaches(self, alpha: float) -> bool:
        """Whether the claim is rejected with a chance of error of ``alpha`` over all looks together."""
        return self.log_e >= -math.log(alpha)


@dataclass(frozen=True)
class Interval:
    """An estimate between two bounds that hold at all times together; a bound that is not known is infinite."""

    estimate: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether ``value`` lies outside."""
        return not self.low <= value <= self.high
