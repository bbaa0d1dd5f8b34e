"""What an artefact is held to, and whether it holds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from taxiway.contract.agreement import Agreement
from taxiway.contract.bound import lower_bound, rows_needed
from taxiway.contract.noise import tolerance, too_noisy
from taxiway.errors import InvalidArgument
from taxiway.types import JsonObject

__all__ = ["Contract", "Judgement", "judge", "parse_contract", "too_few_rows"]

_TERM = re.compile(r"^\s*(\w+)\s*(>=|<=)\s*([^@\s]+)\s*(?:@\s*([^@\s]+)\s*)?$")
# What is said of a term: (the field, how it is compared, whether it is a share).
_TERMS = {
    "agreement": ("min_agreement", ">=", True),
    "difference": ("max_difference", "<=", False),
    "accuracy": ("min_accuracy", ">=", True),
    "accuracy_drop": ("max_accuracy_drop", "<=", True),
}
_EXAMPLE = "agreement>=0.99@0.95,difference<=1e-3"


@dataclass(frozen=True)
class Contract:
    """What must hold before an artefact is written.

    Attributes:
        min_agreement: the part of all rows that agree with the original is at least this …
        confidence: … at this confidence.
        max_difference: no number is further from the original's; what the original's own rounding explains is always
            allowed, so 0 asks for the same answers. None: any difference that leaves the classes as they are.
        min_accuracy: on the labels.
        max_accuracy_drop: how much less accurate than the original it may be.
    """

    min_agreement: float = 0.99
    confidence: float = 0.95
    max_difference: float | None = None
    min_accuracy: float | None = None
    max_accuracy_drop: float | None = None

    @property
    def wants_labels(self) -> bool:
        """Whether it cannot be judged without labels."""
        return self.min_accuracy is not None or self.max_accuracy_drop is not None

    def __str__(self) -> str:
        """As :func:`parse_contract` reads it."""
        terms = [f"agreement>={self.min_agreement:g}@{self.confidence:g}"]
        for name, (field, sign, _) in _TERMS.items():
            if name != "agreement" and (value := getattr(self, field)) is not None:
                terms.append(f"{name}{sign}{value:g}")
        return ",".join(terms)

    def as_json(self) -> JsonObject:
        """Only what it says."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: one for name, one in values.items() if one is not None}


@dataclass(frozen=True)
class Judgement:
    """Whether an artefact holds, and the sentence that says why."""

    kept: bool
    reason: str


def parse_contract(text: str) -> Contract:
    """The contract in a text: terms with commas between, what is not said stays as in :class:`Contract`.

    ``agreement>=0.99@0.95`` (or ``99%``), ``difference<=1e-3``, ``accuracy>=0.9``, ``accuracy_drop<=0.01``.

    Raises:
        InvalidArgument: it is none; the message names the term.
    """
    found: dict[str, Any] = {}
    for term in text.split(","):
        parts = _TERM.match(term)
        name = parts[1] if parts else ""
        if parts is None or name not in _TERMS:
            raise InvalidArgument(
                f"{term.strip()!r} is no term of a contract: {', '.join(_TERMS)} are.", hint=f"--contract '{_EXAMPLE}'"
            )
        field, sign, share = _TERMS[name]
        if parts[2] != sign:
            raise InvalidArgument(f"{term.strip()!r} must say {name}{sign}….", hint=f"--contract '{_EXAMPLE}'")
        if field in found:
            raise InvalidArgument(f"The contract says {name} twice: {text}.")
        found[field] = _number(term, parts[3], share)
        if parts[4] is not None:
            if name != "agreement":
                raise InvalidArgument(f"{term.strip()!r}: only agreement is at a confidence.")
            found["confidence"] = _number(term, parts[4], True)
    contract = Contract(**found)
    if not contract.min_agreement < 1 or not 0 < contract.confidence < 1:
        raise InvalidArgument(
            f"No number of rows shows {_percent(contract.min_agreement)} at {_percent(contract.confidence)} "
            "confidence.",
            hint="agreement>=0.999@0.95 asks for 2,995 rows.",
        )
    return contract


def too_few_rows(contract: Contract, rows: int) -> str:
    """Why so many rows cannot show what the contract asks for, even if all agree; empty when they can."""
    needed = rows_needed(contract.min_agreement, contract.confidence)
    if rows >= needed:
        return ""
    most = lower_bound(rows, rows, contract.confidence)
    return (
        f"{rows:,} rows, even if all agree, show {_at_least(most)} at {_percent(contract.confidence)} confidence; "
        f"{_percent(contract.min_agreement)} needs {needed:,} rows"
    )


def judge(agreement: Agreement, contract: Contract, noise_floor: float = 0.0) -> Judgement:
    """Hold what a comparison found to a contract.

    Where the outputs are no scores of classes, a row agrees when each of its numbers is within ``max_difference`` (or
    what rounding explains, when the contract does not say).

    Args:
        agreement: what was found.
        contract: what is asked for.
        noise_floor: see :func:`taxiway.contract.noise_floor`.
    """
    allowed = max(contract.max_difference or 0.0, tolerance(noise_floor, agreement.scale))
    if agreement.not_finite:
        return Judgement(False, f"{agreement.not_finite:,} of {agreement.rows:,} rows are NaN or infinite")
    if short := too_few_rows(contract, agreement.rows):
        return Judgement(False, short)
    by_class = agreement.agreeing is not None
    agreeing = agreement.agreeing if agreement.agreeing is not None else _within(agreement, allowed)
    lower = lower_bound(agreeing, agreement.rows, contract.confidence)
    how = "agree" if by_class else f"are within {allowed:.2g}"
    shown = (
        f"{agreeing:,} of {agreement.rows:,} rows {how}, which shows {_at_least(lower)} at "
        f"{_percent(contract.confidence)} confidence"
    )
    moved = _too_noisy(agreement, contract, noise_floor)
    if lower < contract.min_agreement:
        return Judgement(False, f"{shown}; {_percent(contract.min_agreement)} is asked for{'' if by_class else moved}")
    if by_class and contract.max_difference is not None and not agreement.largest_difference <= allowed:
        return Judgement(
            False, f"the largest difference is {agreement.largest_difference:.2g}, and {allowed:.2g} is allowed{moved}"
        )
    wrong = _inaccurate(agreement, contract)
    return Judgement(False, wrong) if wrong else Judgement(True, shown)


def _too_noisy(agreement: Agreement, contract: Contract, noise_floor: float) -> str:
    """What to add to a refusal where rounding moves the original by more than is ever allowed for it."""
    if contract.max_difference or not too_noisy(noise_floor, agreement.scale):
        return ""
    return (
        f": rounding alone moves the original's answers by {noise_floor:.2g}, too far to compare; "
        "a contract with difference<=… says what is good enough"
    )


def _within(agreement: Agreement, allowed: float) -> int:
    return int((agreement.row_differences <= allowed).sum())


def _inaccurate(agreement: Agreement, contract: Contract) -> str:
    """What is wrong with the accuracy; empty when nothing is."""
    if not contract.wants_labels:
        return ""
    if agreement.accuracy is None or agreement.reference_accuracy is None:
        return "the contract asks for accuracy, and there are no labels"
    if contract.min_accuracy is not None and agreement.accuracy < contract.min_accuracy:
        return f"the accuracy is {agreement.accuracy:.4f}, and {contract.min_accuracy:g} is asked for"
    drop = agreement.reference_accuracy - agreement.accuracy
    if contract.max_accuracy_drop is not None and drop > contract.max_accuracy_drop + 1e-12:
        return (
            f"the accuracy is {agreement.accuracy:.4f}, {drop:.4f} less than the original's, "
            f"and {contract.max_accuracy_drop:g} is allowed"
        )
    return ""


def _number(term: str, text: str, share: bool) -> float:
    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (share and number > 1) or (percent and not share):
        asked = "a share between 0 and 1, or a percentage" if share else "a number that is not negative"
        raise InvalidArgument(f"{text!r} in {term.strip()!r} is not {asked}.", hint=f"--contract '{_EXAMPLE}'")
    return number


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _at_least(share: float) -> str:
    """Rounded down, so that what just fails does not read as if it held."""
    return f"{math.floor(share * 10_000 + 1e-9) / 100:g} %"
