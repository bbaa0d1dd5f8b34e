"""What is kept and what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from taxiway.contract import Agreement, Contract, compare, judge, parse_contract, too_few_rows
from taxiway.errors import InvalidArgument


def found(rows: int, agreeing: int | None, largest: float = 0.0, **more: Any) -> Agreement:
    share = None if agreeing is None else agreeing / rows
    return Agreement(rows, agreeing, share, share, largest, 0.0, **more)


def prices(*apart: float, scale: float = 1.0) -> Agreement:
    return found(len(apart), None, max(apart), row_differences=np.array(apart), scale=scale)


LABELLED = {"accuracy": 0.95, "reference_accuracy": 0.97}
CASES: list[tuple[Agreement, str, float, bool, str]] = [
    (found(299, 299), "agreement>=99%", 0, True, "299 of 299 rows agree, which shows 99 % at 95 % confidence"),
    (found(500, 495), "agreement>=0.99", 0, False,
     "495 of 500 rows agree, which shows 97.9 % at 95 % confidence; 99 % is asked for"),
    (found(500, 495), "agreement>=0.97@0.9", 0, True, "495 of 500 rows agree, which shows 98.15 % at 90 % confidence"),
    (found(100, 100), "agreement>=0.99", 0, False,
     "100 rows, even if all agree, show 97.04 % at 95 % confidence; 99 % needs 299 rows"),
    (found(300, 300, not_finite=300), "agreement>=0.99", 0, False, "300 of 300 rows are NaN or infinite"),
    (found(300, 300, 0.02), "agreement>=0.99,difference<=0.01", 0, False,
     "the largest difference is 0.02, and 0.01 is allowed"),
    (found(300, 300, 5e-3), "difference<=1e-3", 1e-3, True, "300 of 300 rows agree, which shows 99 % at 95 % confidence"),
    (found(300, 300, 2e-5), "difference<=0", 0, False, "the largest difference is 2e-05, and 1e-05 is allowed"),
    (found(300, 300, 2e-5), "difference<=0", 3e-6, True, "300 of 300 rows agree, which shows 99 % at 95 % confidence"),
    (found(300, 300, float("inf")), "difference<=1", 0, False, "the largest difference is inf, and 1 is allowed"),
    (found(300, 300, **LABELLED), "accuracy>=0.96", 0, False, "the accuracy is 0.9500, and 0.96 is asked for"),
    (found(300, 300, **LABELLED), "accuracy_drop<=0.01", 0, False,
     "the accuracy is 0.9500, 0.0200 less than the original's, and 0.01 is allowed"),
    (found(300, 300, **LABELLED), "accuracy_drop<=2%", 0, True,
     "300 of 300 rows agree, which shows 99 % at 95 % confidence"),
    (found(300, 300), "accuracy>=0.9", 0, False, "the contract asks for accuracy, and there are no labels"),
    (prices(0, 1e-6, 0.5), "agreement>=0.3", 0, False,
     "2 of 3 rows are within 1e-05, which shows 13.53 % at 95 % confidence; 30 % is asked for"),
    (prices(0, 1e-6, 0.5), "agreement>=0.3,difference<=0.5", 0, True,
     "3 of 3 rows are within 0.5, which shows 36.84 % at 95 % confidence"),
    (prices(0, 0, 0.009, scale=1000), "agreement>=0.3", 0, True,
     "3 of 3 rows are within 0.01, which shows 36.84 % at 95 % confidence"),
]  # fmt: skip


@pytest.mark.parametrize(("agreement", "contract", "floor", "kept", "reason"), CASES)
def test_judging(agreement: Agreement, contract: str, floor: float, kept: bool, reason: str) -> None:
    judgement = judge(agreement, parse_contract(contract), floor)
    assert (judgement.kept, judgement.reason) == (kept, reason)


def test_rows_that_came_from_a_comparison_are_judged() -> None:
    rows = np.linspace(0, 1, 300, dtype=np.float32)
    alike = compare({"y": rows}, {"y": rows + np.float32(1e-6)})
    assert judge(alike, Contract()).kept
    assert not judge(compare({"y": rows}, {"y": rows + np.float32(1e-3)}), Contract()).kept


def test_a_contract_is_read_and_written_alike() -> None:
    text = "agreement>=0.99@0.95,difference<=0.001,accuracy>=0.9,accuracy_drop<=0.01"
    contract = parse_contract(text)
    assert contract == Contract(0.99, 0.95, 1e-3, 0.9, 0.01)
    assert str(contract) == text and contract.wants_labels
    assert parse_contract(" agreement >= 97 % ".replace(" %", "%")) == Contract(0.97)
    assert str(Contract()) == "agreement>=0.99@0.95" and not Contract().wants_labels
    assert Contract(max_difference=0.0).as_json() == {"min_agreement": 0.99, "confidence": 0.95, "max_difference": 0.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no term of a contract: agreement, difference, accuracy, accuracy_drop are"),
        ("speed>=1", "'speed>=1' is no term"),
        ("agreement=0.99", "'agreement=0.99' is no term"),
        ("agreement<=0.99", "must say agreement>=…"),
        ("agreement>=1.5", "'1.5' in 'agreement>=1.5' is not a share"),
        ("agreement>=nan", "'nan' in"),
        ("difference<=-1", "is not a number that is not negative"),
        ("difference<=1%", "is not a number"),
        ("difference<=1@0.9", "only agreement is at a confidence"),
        ("agreement>=0.9,agreement>=0.8", "says agreement twice"),
        ("agreement>=1", "No number of rows shows 100 % at 95 % confidence"),
        ("agreement>=0.9@1", "No number of rows shows 90 % at 100 % confidence"),
    ],
)
def test_what_is_no_contract_says_why(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        parse_contract(text)


def test_the_example_of_a_hint_is_true() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_contract("agreement>=1")
    assert "2,995 rows" in str(caught.value.hint)
    assert "needs 2,995 rows" in too_few_rows(parse_contract("agreement>=0.999"), 2994)
    assert too_few_rows(parse_contract("agreement>=0.999"), 2995) == ""


def test_a_model_that_rounding_moves_too_far_cannot_be_compared() -> None:
    rows = np.linspace(0, 1, 400, dtype=np.float32)
    other = compare({"y": rows}, {"y": rows + np.float32(0.3)})
    scores = compare({"scores": rows}, {"scores": np.where(rows > 0.5, 0.6, 0.4).astype(np.float32)})
    exact = Contract(max_difference=0.0)
    for agreement, contract in ((other, Contract()), (other, exact), (scores, exact)):
        judgement = judge(agreement, contract, 0.2)
        assert not judgement.kept and "rounding alone moves the original's answers by 0.2, too far" in judgement.reason
        assert "rounding alone" not in judge(agreement, contract, 1e-7).reason
    assert judge(other, parse_contract("difference<=0.31"), 0.2).kept and judge(scores, Contract(), 0.2).kept
