"""What is tried, and which trial is best."""

from __future__ import annotations

from typing import Any

import pytest

from taxiway.errors import InvalidArgument
from taxiway.load import Failure, Window
from taxiway.settings import Batching, read_settings
from taxiway.tune_serving.candidate import Candidate, engines_and_batching, threads
from taxiway.tune_serving.options import Options, options_of
from taxiway.tune_serving.search import Target, Trial, choose, finalists, leader

PLAIN = Candidate("tensorflow")
BATCHED = Candidate("tensorflow", Batching(max_batch_size=32))
TARGET = Target(10, 95)


def window(rate: float, milliseconds: float = 1.0, **changes: Any) -> Window:
    return Window(8, None, 1.0, int(rate), int(rate), {int(milliseconds * 1e6): int(rate)}, **changes)


def trial(candidate: Candidate, *rates: float, milliseconds: float = 1.0, **changes: Any) -> Trial:
    return Trial(candidate, [[window(rate, milliseconds)] for rate in rates], **changes)


def test_every_engine_is_tried_with_every_batching_the_plain_ones_first() -> None:
    found = engines_and_batching(["tensorflow", "litert"], True)
    assert [one.title for one in found[:2]] == [
        "tensorflow, batching off, threads default", "litert, batching off, threads default",
    ]  # fmt: skip
    assert len(found) == len({one.title for one in found}) == 12
    assert found[2].all_model() == {"engine": "tensorflow", "batching": "auto"}
    assert engines_and_batching(["litert"], False) == [Candidate("litert")]


def test_threads_are_tried_on_the_best_and_none_twice() -> None:
    for cores in (1, 2, 8):
        found = threads(BATCHED, cores)
        assert len(set(found)) == len(found) and BATCHED not in found
        assert {one.batching for one in found} == {BATCHED.batching}


def test_a_candidate_is_settings_that_a_server_takes() -> None:
    for one in [*engines_and_batching(["tensorflow", "litert"], True), *threads(BATCHED, 4)]:
        read = read_settings(environ={}, server=one.all_server(), models={"m": {"source": "s", **one.all_model()}})
        assert read.models["m"].batching == one.batching and read.models["m"].engine == one.engine
        assert read.server.compute_threads == one.compute_threads


def test_a_window_counts_when_it_is_within_the_target_and_nothing_failed() -> None:
    assert TARGET.reached(window(100, 9.9)) and not TARGET.reached(window(100, 10.1))
    assert not TARGET.reached(window(100, failures=(Failure("HTTP 503", 1, ""),)))
    assert not TARGET.reached(window(0))
    several = Trial(PLAIN, [[window(100, 1), window(300, 9), window(900, 40)]])
    best = several.best(TARGET)
    assert several.score(TARGET) == 300 and best is not None and best.throughput == 300


def test_the_round_that_chose_a_finalist_does_not_count_for_it() -> None:
    assert trial(PLAIN, 999, 100, 110, 90).score(TARGET) == 100


def test_the_fastest_is_best_when_it_is_ahead_by_more_than_the_noise() -> None:
    choice = choose([trial(PLAIN, 100, 100, 102), trial(BATCHED, 150, 150, 153)], TARGET)
    assert choice.best is not None and choice.best.candidate is BATCHED and choice.equals == ()
    assert choice.because == "no other comes within the noise of 3%"


def test_within_the_noise_the_simpler_settings_are_taken() -> None:
    plain, batched = trial(PLAIN, 100, 100, 90, 110), trial(BATCHED, 150, 110, 100, 120)
    choice = choose([batched, plain], TARGET)
    assert choice.best is plain and choice.equals == (batched,)
    assert choice.noise == pytest.approx(0.2)
    assert choice.because == (
        "tensorflow, batching 32 rows, threads default was 10% ahead, within the noise of 20%: "
        "the simpler settings are taken"
    )


def test_a_candidate_that_answers_otherwise_is_never_best() -> None:
    wrong = trial(BATCHED, 900, problem="1 of 8 answers differ")
    choice = choose([trial(PLAIN, 100), wrong], TARGET)
    assert choice.best is not None and choice.best.candidate is PLAIN
    assert finalists([trial(PLAIN, 100), wrong], TARGET)[-1].candidate is PLAIN
    assert leader([wrong], TARGET) is None


def test_nothing_within_the_target_is_told_with_the_nearest() -> None:
    choice = choose([trial(PLAIN, 100, milliseconds=30), trial(BATCHED, 100, milliseconds=20)], TARGET)
    assert choice.best is None
    assert choice.because == (
        "nothing is within the target; the nearest is 20 ms with tensorflow, batching 32 rows, threads default"
    )
    assert choose([Trial(PLAIN)], TARGET).because == "no request was answered"


def test_the_plain_settings_are_always_measured_again() -> None:
    others = [trial(Candidate("tensorflow", compute_threads=number), 100 + number) for number in range(1, 7)]
    chosen = finalists([trial(PLAIN, 50), *others], TARGET)
    assert [one.candidate.compute_threads for one in chosen] == [6, 5, 4, 0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"latency_ms": 0}, "latency is 0 ms"),
        ({"percentile": 10}, "percentile is 10"),
        ({"budget_seconds": 0.1}, "budget is 0.1 s"),
        ({"protocol": "soap"}, "'soap' is no protocol"),
        ({"concurrency": (0,)}, "concurrency is 0"),
        ({"engines": ("onnx",)}, "onnx cannot be tried"),
        ({"speed": 1}, "speed cannot be said"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        options_of(given)


def test_windows_share_the_time_out_within_bounds() -> None:
    options = Options(budget_seconds=300)
    assert options.window_seconds(10) == pytest.approx((18 - 3) / 3 / 1.1, abs=2) and options.window_seconds(10) == 3.0
    assert options.window_seconds(1000) == options.final_seconds(-5) == 0.2
    assert 0.2 < options.final_seconds(60) == pytest.approx(1.0 / 1.1)
