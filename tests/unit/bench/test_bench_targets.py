"""Targets are read from their file, computed from a run's document, and said to be reached, missed or not measured."""

from __future__ import annotations

from typing import Any

import pytest

from bench import targets

Row = tuple[str, str, str, str]


def load(rate: float, p50_us: float) -> dict[str, Any]:
    return {"requests_per_second": rate, "p50_us": p50_us}


def scenario(name: str, ours: float, theirs: float) -> dict[str, Any]:
    participants = [
        {"name": "taxiway", "loads": [load(ours / 2, 100.0), load(ours, 200.0)]},
        {"name": "taxiway-tensorflow", "loads": [load(2 * ours, 50.0)]},  # of ours, and no peer
        {"name": "fastapi", "loads": [load(theirs, 900.0), load(theirs / 2, 900.0)]},
        {"name": "fastapi-guide", "loads": [load(theirs / 5, 900.0)]},
    ]
    engines = {"tensorflow": {"us_p50": 40.0}, "litert": {"us_p50": 20.0}}
    transport = [load(10_000, 50.0), load(20_000, 60.0)]
    floors = {"engine": engines["litert"], "engines": engines, "transport": transport}
    return {"name": name, "participants": participants, "floors": floors}


@pytest.fixture
def rows() -> dict[str, Row]:
    scenarios = [
        scenario("digits-mlp-grpc", 12_000, 1_000), scenario("digits-mlp-rest", 7_000, 1_000),
        scenario("mobilenet-grpc", 40_000, 1_000),
    ]  # fmt: skip
    measures = {
        "swaps": {"grpc": {"p99_ratio": 1.1}, "rest": {"p99_ratio": 1.3}, "measured": {"commit": "c"}},
        "starts": {
            "both": {"own_mib": 46.0},
            "tensorflow": {"own_mib": 72.0},
            "litert": {"own_mib": 40.0},
            "measured": {"commit": "c"},
        },
        "cores": {"not_measured": "it needs three cores"},
        "batching": {
            "with": {"requests_per_second": 300.0, "p95_us": 10.0},
            "without": {"requests_per_second": 100.0, "p95_us": 20.0},
        },
    }
    known = {target.what: target.name for target in targets.load()}
    return {known[row[0]]: row for row in targets.table({"scenarios": scenarios, "measures": measures})}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("grpc_peers", ("≥ 12", "12.0", "reached")),
        ("rest_peers", ("≥ 30", "7.00", "**missed**")),
        ("rest_guides", ("≥ 30", "35.0", "reached")),
        ("floors", ("≥ 0.7", "0.49", "**missed**")),  # 7,000 ÷ (1 ÷ (20 µs + 50 µs))
        ("added", ("≤ 1.5", "1.60", "**missed**")),  # (100 - 20) ÷ 50
        ("mobilenet_chosen", ("≥ 0.95", "0.80", "**missed**")),
        ("mobilenet_tensorflow", ("≥ 1.9", "1.60", "**missed**")),
        ("batching", ("≥ 2.5", "3.00", "reached")),
        ("batching_p95", ("≤ 1", "0.50", "reached")),
        ("swaps", ("≤ 1.2", "1.30", "**missed**")),
        ("memory", ("≤ 60", "72.0", "**missed**")),
        ("start_litert", ("≤ 0.5", "", "not measured")),
        ("cores", ("≥ 1.8", "", "it needs three cores")),
    ],
)
def test_a_target_is_held_to_what_was_measured(rows: dict[str, Row], name: str, shown: tuple[str, str, str]) -> None:
    assert rows[name][1:] == shown


def test_nothing_measured_is_nothing_reached() -> None:
    assert {row[3] for row in targets.table({"scenarios": []})} == {"not measured"}


@pytest.mark.parametrize(
    "document", [{"name": "floors", "what": "w"}, {"name": "floors", "what": "w", "at_least": 1, "at_most": 2},
                 {"name": "nothing", "what": "w", "at_least": 1}]
)  # fmt: skip
def test_a_target_without_one_limit_or_a_figure_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="target"):
        targets._parse(document)
