"""A small form of the fuzzers runs with every change, and their judge is judged."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.meant import MEANT, is_meant
from tests.fuzz.tally import KEPT, Tally

REQUESTS = 2000
NEEDED = ("tensorflow", "schemathesis", "h2", "ai_edge_litert", "taxiway._server")


@pytest.mark.tensorflow
@pytest.mark.litert
@pytest.mark.timeout(1800)  # six minutes beside four other busy processes on two cores
def test_no_request_ends_in_an_error_that_is_not_meant(tmp_path: Path) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    from tests.fuzz.__main__ import run

    report = run(tmp_path, REQUESTS, 1, print)
    assert report.failures == []
    assert report.requests >= REQUESTS
    asked = " ".join(operation for operation, _, _ in report.rows)
    for method in ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata", "GetModelStatus"):
        assert f"Service/{method}" in asked
    for method in ("HandleReloadConfigRequest", "Health/Check", "Health/Watch", "ServerReflectionInfo"):
        assert method in asked
    assert all(f"POST /v1/models/{{model}}:{verb}" in asked for verb in ("predict", "classify", "regress"))
    right = sum("200 ×" in statuses or "OK ×" in statuses for _, _, statuses in report.rows)
    assert right > len(report.rows) // 2


@pytest.mark.parametrize(
    ("status", "message", "meant"),
    [
        ("200", "", True),
        ("400", "anything", True),
        ("500", "anything", False),
        ("501", "Conversion of JSON Value: 1 to type: half", True),
        ("501", "Conversion of JSON Value: 1 to type: float", False),
        ("503", "The batch scheduling queue is full", False),
        ("INVALID_ARGUMENT", "anything", True),
        ("INTERNAL", "the request does not parse: buffer underflow", True),
        ("INTERNAL", "an answer does not encode", False),
        ("UNKNOWN", "", False),
        ("reset, PROTOCOL_ERROR", "", True),
        ("reset, INTERNAL_ERROR", "", False),
        ("connection reset", "", False),
    ],
)
def test_a_server_error_is_meant_only_when_it_is_listed(status: str, message: str, meant: bool) -> None:
    assert is_meant(status, message) is meant


def test_every_rule_has_a_reason() -> None:
    assert all(rule.reason for rule in MEANT)


def test_everything_is_counted_and_failures_keep_their_requests() -> None:
    tally = Tally()
    for number in range(KEPT + 2):
        tally.answered("predict", "500", "broken", lambda number=number: f"request {number}")  # type: ignore[misc]
    tally.answered("predict", "200", "", lambda: "never made")
    tally.unanswered("status", "hangs", lambda: "the one that hangs")
    assert tally.requests == KEPT + 4
    assert [failure.reproducer for failure in tally.failures] == [
        "request 0",
        "request 1",
        "request 2",
        "the one that hangs",
    ]
    assert tally.rows()[0] == ("predict", KEPT + 3, f"500 ×{KEPT + 2}, 200 ×1")
