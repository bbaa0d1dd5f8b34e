"""What is made of the figures, and the picture of them."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from taxiway.errors import InvalidArgument
from taxiway.load.api import _plan
from taxiway.load.equal import Equality
from taxiway.load.percentiles import least_answers
from taxiway.load.picture import picture
from taxiway.load.report import Report, notes_on
from taxiway.load.window import Failure, Window

EVEN = (2000,) * 10


def window(concurrency: int = 4, answers: int = 20_000, **changes: Any) -> Window:
    given = {"rate": None, "seconds": 2.0, "in_time": answers, "latencies": {1_000_000: answers}, "slices": EVEN}
    return Window(concurrency=concurrency, answers=answers, **{**given, **changes})


def notes(*windows: Window, equality: Equality | None = None, host: str = "far") -> list[str]:
    return list(notes_on(windows, equality or Equality(), host, 2))


def test_a_percentile_needs_ten_answers_beyond_it() -> None:
    assert [least_answers(percent) for percent in (50, 95, 99, 99.9)] == [20, 200, 1_000, 10_000]
    few = window(answers=999)
    assert few.milliseconds(95) == 1.0 and few.milliseconds(99) is None
    assert few.as_json()["p99_ms"] is None
    assert notes(few) == [
        "p99 needs 1,000 answers, and at 4 there are fewer: longer --seconds",
        "p99.9 needs 10,000 answers, and at 4 there are fewer: longer --seconds",
    ]


def test_figures_without_a_flaw_have_no_notes() -> None:
    assert notes(window(busy=(0.9, 0.2))) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"busy": (0.5, 0.93)}, "at 4 connections: the generator was the limit (93% of a core)"),
        ({"unsent": 500, "rate": 9000.0}, "500 of 20,500 requests fell due and were never sent: 9000 a second"),
        ({"lateness": {5_000_000: 100}}, "over 5.0 ms late"),
        ({"slices": (1000, *(2000,) * 9)}, "uneven: its tenths had 5,000 to 10,000 answers a second"),
        ({"whole": False}, "interrupted after 2.0 s"),
    ],
)
def test_a_flaw_is_told(changes: dict[str, Any], sentence: str) -> None:
    (told,) = notes(window(**changes))
    assert sentence in told


def test_a_shared_machine_and_answers_that_differ_are_told() -> None:
    told = notes(window(), equality=Equality(2, 3, 4, 1e-6, (1, 2), 7), host="127.0.0.1")
    assert told == [
        "server and generator shared this machine's 2 cores: from another machine the server may do more",
        "3 answers differ from the first to the same request by rounding, 1e-06 at most, as batching may make them",
        "4 answers DIFFER from the first to the same request (versions 1, 2 answered), such as those to request 7",
    ]


def report(*windows: Window) -> Report:
    return Report("grpc://far:8500", "di<gits", 3, "serving_default", "16 made-up requests", 315.0, windows, Equality())


def test_the_picture_has_a_row_for_each_concurrency() -> None:
    many = window(64, in_time=40_000, latencies={1_000_000: 19_000, 9_000_000: 1_000})
    drawn = picture(report(window(1, answers=500), many))
    texts = [one.text for one in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert "di<gits version 3, grpc://far:8500" in texts
    assert {"1 connection", "250", "p50 1 · p95 1", "64 connections", "20,000"} <= set(texts)
    assert "p50 1 · p95 1 · p99 9 · p99.9 9" in texts


def test_a_report_without_an_answer_can_be_written_and_drawn() -> None:
    none = window(answers=0, in_time=0, latencies={}, slices=(), failures=(Failure("TIMEOUT", 3, "late"),))
    whole = report(none)
    assert not whole.answered and whole.best is none
    assert json.loads(json.dumps(whole.as_json()))["windows"][0]["errors"][0]["code"] == "TIMEOUT"
    ElementTree.fromstring(picture(whole))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"concurrency": (0,)}, "concurrency is 0"),
        ({"concurrency": ()}, "No concurrency"),
        ({"seconds": 0}, "seconds is 0"),
        ({"rate": -1}, "rate is -1"),
        ({"rows": 0}, "rows is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"speed": 3}, "speed cannot be said of a bench"),
    ],
)
def test_a_wrong_plan_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        _plan(given)
