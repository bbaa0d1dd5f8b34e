"""The order of a search, on servers that only say how fast they would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.load import Window
from taxiway.testing.clock import FakeClock
from taxiway.tune_serving import trials as module
from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.options import Options
from taxiway.tune_serving.place import Placed
from taxiway.tune_serving.search import choose
from taxiway.tune_serving.trials import Trials

Rate = Callable[[Candidate], float]


class World:
    """Servers that run, in the order of what was done with them."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.clock = rate, FakeClock()
        self.running: list[Candidate] = []
        self.measured: list[tuple[str, int]] = []
        self.interrupt_at = 10**9

    def served(self, placed: Placed, candidate: Candidate, folder: Path) -> Any:
        world = self

        class Served:
            def __enter__(self) -> Any:
                if candidate.engine == "broken":
                    raise FailedPrecondition("The model is not serving")
                world.running.append(candidate)
                return SimpleNamespace(urls={"grpc": candidate, "rest": candidate})

            def __exit__(self, *_: object) -> None:
                world.running.remove(candidate)

        return Served()

    def bench(self, url: Candidate, *_: Any, **plan: Any) -> Any:
        self.clock.advance(plan["seconds"])
        self.measured.append((url.title, len(self.running)))
        rate = int(self.rate(url))
        window = Window(8, None, 1.0, rate, rate, {1_000_000: rate})
        interrupted = len(self.measured) >= self.interrupt_at
        return SimpleNamespace(
            windows=(window,), requests="some", interrupted=interrupted, equality=SimpleNamespace(different=0)
        )


def search(world: World, monkeypatch: pytest.MonkeyPatch, folder: Path, *engines: str, **options: Any) -> Trials:
    monkeypatch.setattr(module, "Served", world.served)
    monkeypatch.setattr(module, "bench", world.bench)
    monkeypatch.setattr(module, "_cores", lambda: 2)
    monkeypatch.setattr(
        Trials, "_compare", lambda self, served: "answers differ" if served.urls["grpc"].engine == "odd" else None
    )
    placed = Placed("m", 1, "", folder, engines or ("tensorflow",))
    trials = Trials(placed, None, Options(**options), folder, clock=world.clock, say=lambda _: None)
    trials.run()
    return trials


def test_threads_are_tried_on_the_best_and_the_best_few_again_in_turns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(lambda one: 100 + one.batching.max_batch_size + 50 * (one.io_threads == 1) - 20 * one.compute_threads)
    trials = search(world, monkeypatch, tmp_path)
    tried = [one.candidate for one in trials.done]
    assert [one.threads_text for one in tried[:6]] == ["default"] * 6
    assert {one.batching.max_batch_size for one in tried[6:]} == {128} and len(tried) == 11
    finals = [title for title, running in world.measured if running > 1]
    assert len(finals) == 16 and finals[:4] == finals[7:3:-1] == finals[8:12]
    best = choose(trials.done, Options().target).best
    assert best is not None and (best.candidate.io_threads, best.candidate.compute_threads) == (1, 0)
    assert world.running == []


def test_when_the_time_is_up_no_new_candidate_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trials = search(World(lambda _: 100), monkeypatch, tmp_path, budget_seconds=1.0, concurrency=(1,))
    assert 1 < len(trials.done) < 11 and len(trials.done) + trials.skipped == 11


def test_engines_that_fail_or_answer_otherwise_are_told_and_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(lambda _: 100)
    trials = search(world, monkeypatch, tmp_path, "tensorflow", "odd", "broken")
    problems = {one.candidate.engine: one.problem for one in trials.done}
    assert problems == {"tensorflow": None, "odd": "answers differ", "broken": "The model is not serving"}
    assert all(title.startswith("tensorflow") for title, _ in world.measured)


def test_a_model_that_cannot_be_served_plainly_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="m cannot be tried: The model is not serving"):
        search(World(lambda _: 100), monkeypatch, tmp_path, "broken")


def test_an_interrupt_ends_the_search_and_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(lambda _: 100)
    world.interrupt_at = 3
    trials = search(world, monkeypatch, tmp_path)
    assert trials.interrupted and len(trials.done) == 3 and world.running == []
    best = choose(trials.done, Options().target).best
    assert best is not None and best.candidate.complexity == 0
