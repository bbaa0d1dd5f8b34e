"""What goes wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.types import JsonObject

__all__ = ["Faults", "parse_faults"]

_FORM = re.compile(r"(errors|slow|wrong)=(\d+(?:\.\d+)?)%?(?::(\d+)ms)?")
_SLOW_MS = 100


@dataclass(frozen=True)
class Faults:
    """Parts of the answers, 0 to 1, that fail, that take ``slow_ms`` longer, and that are wrong.

    Raises:
        InvalidArgument: nothing goes wrong, or a part is not between 0 and 1.
    """

    errors: float = 0.0
    slow: float = 0.0
    wrong: float = 0.0
    slow_ms: int = _SLOW_MS

    def __post_init__(self) -> None:
        rates = {"errors": self.errors, "slow": self.slow, "wrong": self.wrong}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise InvalidArgument(f"{name} of {100 * rate:g} %", hint="0 to 100")
        if not any(rates.values()):
            raise InvalidArgument("A drill needs something that goes wrong.", hint="--fault errors=5%")
        if self.slow_ms < 1:
            raise InvalidArgument(f"{self.slow_ms} ms is not slow.", hint="--fault slow=20%:100ms")

    def spec(self, seed: int) -> JsonObject:
        """The document that the data plane's load takes."""
        return {
            "error_rate": self.errors,
            "delay_rate": self.slow,
            "delay_ms": self.slow_ms if self.slow else 0,
            "wrong_rate": self.wrong,
            "seed": seed,
        }


def parse_faults(texts: Iterable[str]) -> Faults:
    """The faults in texts such as ``errors=5%``, ``slow=20%:100ms``, ``wrong=10%``.

    Raises:
        InvalidArgument: a text has another form, or says what another said.
    """
    given: dict[str, Any] = {}
    for text in texts:
        match = _FORM.fullmatch(text.strip())
        if match is None or (match[3] and match[1] != "slow"):
            raise InvalidArgument(f"{text!r} is no fault.", hint="errors=5%, slow=20%:100ms or wrong=10%")
        if match[1] in given:
            raise InvalidArgument(f"{match[1]} is given twice.", hint="one of each")
        given[match[1]] = float(match[2]) / 100
        if match[3]:
            given["slow_ms"] = int(match[3])
    return Faults(**given)
