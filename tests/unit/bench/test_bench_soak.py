"""What a soak is judged by."""

from __future__ import annotations

from bench.soak_swaps import Outcome, Swap, leases_of, table
from examples.digits.asking import Asked

_PAGE = """# TYPE taxiway_leases gauge
taxiway_leases{model="digits",version="7"} 2
taxiway_leases{model="digits",version="8"} 14
taxiway_leases{model="other",version="1"} 1
"""


def _outcome(memory: list[float], problem: str | None = None) -> Outcome:
    swaps = tuple(Swap(index + 2, float(index), index + 0.5, mib) for index, mib in enumerate(memory))
    asked = tuple(Asked(index + 0.2, index + 0.201, index + 1, problem) for index in range(len(memory)))
    return Outcome(swaps, asked, {}, (1, 2))


def test_leases_are_read_for_the_model_alone() -> None:
    assert leases_of(_PAGE) == {7: 2, 8: 14}


def test_memory_is_judged_after_the_first_swaps() -> None:
    assert _outcome([100.0 + 20 * index for index in range(10)] + [300.0] * 20).growth_mib == 0
    assert _outcome([300.0] * 10 + [300.0 + index for index in range(20)]).growth_mib == 16


def test_table_has_few_rows_and_counts_failures() -> None:
    lines = table(_outcome([300.0] * 25, problem="UNAVAILABLE: gone"), rows=10)
    assert len(lines) == 1 + 9
    assert lines[1].split()[:3] == ["1-3", "3", "3"]
    assert lines[-1].split()[:3] == ["25-25", "1", "1"]
    assert max(map(len, lines)) <= 100
