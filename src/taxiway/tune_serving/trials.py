"""Runs the trials: starts servers, holds their answers against the first one's, and puts load on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from taxiway.client.transport import Target as Asking
from taxiway.clock import Clock
from taxiway.errors import FailedPrecondition, TaxiwayError
from taxiway.load import bench
from taxiway.load.api import look_up
from taxiway.load.equal import judge
from taxiway.load.generator import Different
from taxiway.load.requests import prepare
from taxiway.tune_serving.candidate import Candidate, engines_and_batching, threads
from taxiway.tune_serving.options import ROUNDS, Options
from taxiway.tune_serving.place import Placed
from taxiway.tune_serving.search import Trial, finalists, leader
from taxiway.tune_serving.server import Served

__all__ = ["Trials"]

# So many requests are compared before a candidate is measured.
_COMPARED = 8
_ANSWER_SECONDS = 60.0
_UNBOUNDED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Trials:
    """A search under way.

    Args:
        placed: the model.
        data: as :func:`taxiway.bench` takes it.
        options: what binds it.
        folder: for the servers' files.
        clock: tells the time.
        say: told in a line what is done next.
    """

    def __init__(
        self, placed: Placed, data: Any, options: Options, folder: Path, *, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._placed, self._data, self._options, self._folder = placed, data, options, folder
        self._clock, self._say, self._began = clock, say, clock.monotonic()
        self._seconds = 0.0
        self._first: dict[int, bytes] = {}
        self._takes_rows = True
        self.done: list[Trial] = []
        self.requests = ""
        self.skipped = 0
        self.interrupted = False

    def run(self) -> None:
        """Search: engines and batching, then threads for the best of them, then the best few again and again."""
        engines = self._placed.engines
        everything = engines_and_batching(engines, True)
        self._seconds = self._options.window_seconds(len(everything) + len(threads(everything[0], _cores())))
        self._each("engine", everything[:1])
        self._each("engine", engines_and_batching(engines, self._takes_rows)[1:])
        best = leader(self.done, self._options.target)
        if best is not None:
            self._each("threads", threads(best.candidate, _cores()))
        if not self.interrupted:
            self._finals()

    def _each(self, stage: str, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            if self.interrupted:
                return
            # The first is always tried: without it there would be nothing to say.
            if self.done and self._elapsed() > self._options.exploring_seconds:
                self.skipped += 1
                continue
            self._say(f"{len(self.done) + 1}: {candidate.title}")
            trial = Trial(candidate, stage=stage)
            self.done.append(trial)
            try:
                with Served(self._placed, candidate, self._folder) as served:
                    self._measure(trial, served, self._seconds)
            except FailedPrecondition as error:
                trial.problem = error.message
            except KeyboardInterrupt:
                self.interrupted = True
            if len(self.done) == 1 and trial.problem is not None and not trial.rounds:
                # What the plain settings cannot serve no others will.
                raise FailedPrecondition(f"{self._placed.name} cannot be tried: {trial.problem}", hint=None)

    def _finals(self) -> None:
        """Measure the best few in turns, all their servers running, so that what disturbs one disturbs all."""
        chosen = finalists(self.done, self._options.target)
        if len(chosen) < 2:
            return
        seconds = self._options.final_seconds(self._options.budget_seconds - self._elapsed())
        self._say(f"again, in turns: {' · '.join(one.candidate.title for one in chosen)}")
        try:
            with ExitStack() as stack:
                running = []
                for number, trial in enumerate(chosen):
                    folder = self._folder / f"final-{number}"
                    folder.mkdir()
                    running.append((trial, stack.enter_context(Served(self._placed, trial.candidate, folder))))
                for number in range(ROUNDS):
                    # One round is too few for a spread; what has begun is finished.
                    if number > 1 and self._elapsed() > self._options.budget_seconds:
                        break
                    for trial, served in running if number % 2 == 0 else reversed(running):
                        self._measure(trial, served, seconds)
                        trial.stage = "final"
                        if self.interrupted:
                            return
        except KeyboardInterrupt:
            self.interrupted = True

    def _measure(self, trial: Trial, served: Served, seconds: float) -> None:
        if not trial.rounds:
            trial.problem = self._compare(served)
            if trial.problem is not None:
                return
        options = self._options
        report = bench(
            served.urls[options.protocol], self._placed.name, self._data, signature=options.signature,
            concurrency=options.concurrency, seconds=seconds, rows=options.rows,
        )  # fmt: skip
        self.requests = report.requests
        if report.interrupted:
            self.interrupted = True
            return
        trial.rounds.append(report.windows)
        if report.equality.different:
            trial.problem = f"{report.equality.different} answers differ from the first to the same request"

    def _compare(self, served: Served) -> str | None:
        """Whether it answers the first few requests as the first candidate did; why not, when it does not."""
        url, options = served.urls["grpc"], self._options
        asked, _ = look_up(url, Asking(self._placed.name), options.signature, self._data)
        shapes = [spec.shape for spec in asked.signature.inputs.values()]
        self._takes_rows = all(shape is None or (shape and shape[0] is None) for shape in shapes)
        requests = prepare(asked, self._data, options.rows).requests[:_COMPARED]
        try:
            answers = _answers(url, requests)
        except TaxiwayError as error:
            return error.message
        if not self._first:
            self._first = dict(enumerate(answers))
            return None
        found = [Different(at, self._first[at], ((answer, 1),), 0) for at, answer in enumerate(answers)]
        equality = judge(found, [path for path, _ in requests], "grpc")
        if not equality.different:
            return None
        return f"{equality.different} of {len(answers)} answers differ from those of {self.done[0].candidate.title}"

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began


def _answers(url: str, requests: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """The answers as they come, byte for byte.

    Raises:
        FailedPrecondition: one is refused.
    """
    with grpc.insecure_channel(url.removeprefix("grpc://"), options=_UNBOUNDED) as channel:
        answers = []
        for path, message in requests:
            call: Any = channel.unary_unary(path, request_serializer=None, response_deserializer=None)
            try:
                answers.append(call(message, timeout=_ANSWER_SECONDS))
            except grpc.RpcError as error:
                refused: Any = error
                raise FailedPrecondition(f"{refused.code().name}: {(refused.details() or '')[:200]}") from None
        return answers


def _cores() -> int:
    return os.cpu_count() or 1
