"""What goes wrong on purpose, in words."""

from __future__ import annotations

import pytest

from taxiway.drill import Faults, parse_faults
from taxiway.errors import InvalidArgument


def test_texts_become_faults() -> None:
    assert parse_faults(["errors=5%", "slow=20%:250ms"]) == Faults(errors=0.05, slow=0.2, slow_ms=250)
    assert parse_faults(["wrong=12.5"]) == Faults(wrong=0.125)
    assert parse_faults(["slow=1%"]).slow_ms == 100


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "needs something that goes wrong"),
        (["errors=0%"], "needs something that goes wrong"),
        (["errors=101%"], "errors of 101 %"),
        (["errors"], "'errors' is no fault"),
        (["error=5%"], "'error=5%' is no fault"),
        (["errors=5%:10ms"], "is no fault"),
        (["errors=5%", "errors=6%"], "errors is given twice"),
        (["slow=5%:0ms"], "0 ms is not slow"),
    ],
)
def test_what_is_none_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_faults(texts)


def test_the_data_plane_is_told_parts_of_its_runs() -> None:
    assert Faults(errors=0.05).spec(3) == {
        "error_rate": 0.05, "delay_rate": 0.0, "delay_ms": 0, "wrong_rate": 0.0, "seed": 3,
    }  # fmt: skip
