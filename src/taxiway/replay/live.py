"""Replays that plans demand: of two versions that a server has loaded, in a thread of its own, through its own gRPC.

Requests that say their version are no arm's, and these say that they are not to be recorded: nothing that is asked here
counts for a rollout, or is asked again.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.clock import Clock
from taxiway.errors import FailedPrecondition, NotFound, TaxiwayError
from taxiway.settings import ServerSettings, in_database, recordings
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway.replay.ask import Asker
    from taxiway.replay.compare import Answered, Comparison
    from taxiway.wire.recording import Recorded

__all__ = ["LONGEST_SECONDS", "LiveReplays"]

log = logging.getLogger(__name__)

LONGEST_SECONDS = 600.0
_REQUEST_SECONDS = 30.0
# Refusals of a server that has too much to do say nothing about a version.
_BUSY, _BUSY_SECONDS, _BUSY_TIMES = ("UNAVAILABLE", "RESOURCE_EXHAUSTED"), 1.0, 5
_ALONE = "taxiway replay {model} --version N asks them in a process of its own"


@dataclass
class _Run:
    """A replay; its thread writes ``asked`` and, in the end, ``found``."""

    rollout: str
    requests: int
    asked: int = 0
    found: JsonObject | None = None
    stopped: threading.Event = field(default_factory=threading.Event)


class LiveReplays:
    """The replays of one server; see :class:`taxiway.serve.rollouts.Replays`.

    Args:
        settings: the server's, which say where requests are recorded.
        address: gives ``grpc://host:port`` of the server, once it has started; empty when that port is off.
        clock: bounds a replay.
    """

    def __init__(self, settings: ServerSettings, address: Callable[[], str], clock: Clock) -> None:
        self._settings, self._address, self._clock = settings, address, clock
        self._runs: dict[str, _Run] = {}

    def check(self, model: str, requests: int) -> None:
        """Refuse a replay that cannot be."""
        from taxiway.wire.recording import Recording

        self._check_door(model)
        place, there = self._place(model), 0
        if place.exists():
            try:
                there = sum(1 for _ in islice(Recording(place), requests))
            except NotFound:
                there = 0
        if there >= requests:
            return
        hint = (
            f"record_rate = 0.01 under [models.{model}], and wait until so many are recorded; or leave the replay out"
        )
        if not there:
            raise FailedPrecondition(
                f"no request of {model} is recorded in {place}, so none can be replayed", hint=hint
            )
        raise FailedPrecondition(
            f"{there} requests of {model} are recorded in {place}, and the replay is to ask {requests}",
            hint=f"replay.requests = {there} (--replay requests={there}), or wait for more",
        )

    def found(self, rollout: str, model: str, versions: tuple[int, int], requests: int, tolerance: float) -> JsonObject:
        """What a replay came to so far; the first call begins it."""
        run = self._runs.get(model)
        if run is None or run.rollout != rollout:
            if run is not None:
                run.stopped.set()
            run = self._runs[model] = _Run(rollout, requests)
            name, arguments = f"taxiway-replay-{model}", (run, model, versions, tolerance)
            threading.Thread(target=self._run, args=arguments, name=name, daemon=True).start()
        return run.found or _so_far(run)

    def stop(self) -> None:
        """End what is under way."""
        for run in self._runs.values():
            run.stopped.set()

    def _run(self, run: _Run, model: str, versions: tuple[int, int], tolerance: float) -> None:
        try:
            run.found = self._compared(run, model, versions, tolerance)
        except TaxiwayError as error:
            would_work = f"; what would work: {error.hint}" if error.hint else ""
            run.found = {**_so_far(run), "done": True, "problem": error.message + would_work}
        except Exception as error:
            log.exception("%s: replaying recorded requests failed.", model)
            run.found = {**_so_far(run), "done": True, "problem": f"{type(error).__name__}: {error}"}

    def _compared(self, run: _Run, model: str, versions: tuple[int, int], tolerance: float) -> JsonObject:
        from taxiway.replay.ask import Asker
        from taxiway.replay.compare import Comparison
        from taxiway.replay.door import find
        from taxiway.wire.recording import Recording

        recorded = Recording(self._place(model))
        comparison = Comparison(versions, tolerance)
        asker = Asker(find(self._settings, self._address()), model, _REQUEST_SECONDS)
        end = self._clock.monotonic() + LONGEST_SECONDS
        try:
            for one in _within(islice(recorded, run.requests), end, self._clock, run.stopped):
                order = versions if run.asked % 2 else versions[::-1]
                answered = {version: self._asked(asker, one, version, run.stopped) for version in order}
                comparison.add(f"{one.file}#{one.number}", answered[versions[0]], answered[versions[1]])
                run.asked += 1
        finally:
            asker.close()
        if run.asked < run.requests:
            late = self._clock.monotonic() >= end
            why = f"in {LONGEST_SECONDS:g} s" if late else "and more are not recorded any longer"
            raise FailedPrecondition(
                f"{run.asked} of {run.requests} recorded requests could be asked {why}",
                hint=f"--replay requests={max(run.asked, 1)}",
            )
        return _summed_up(run, comparison, versions)

    def _asked(self, asker: Asker, one: Recorded, version: int, stopped: threading.Event) -> Answered:
        answered = asker.ask(one, version)
        for _ in range(_BUSY_TIMES):
            if answered.error is None or not answered.error.startswith(_BUSY):
                break
            if self._clock.wait(stopped, _BUSY_SECONDS):
                break
            answered = asker.ask(one, version)
        return answered

    def _place(self, model: str) -> Path:
        state = self._settings.state
        if not self._settings.recordings and (not state or in_database(state)):
            raise FailedPrecondition(
                "this server has no directory for recorded requests, so none can be replayed",
                hint='recordings = "recordings/", or state = "state/", and record_rate = 0.01 for the model',
            )
        return recordings(state, model, self._settings.recordings)

    def _check_door(self, model: str) -> None:
        from taxiway.replay.door import find

        try:
            find(self._settings, self._address())
        except FailedPrecondition as error:
            error.hint = f"{error.hint}; {_ALONE.format(model=model)}"
            raise


def _within(requests: Iterable[Recorded], end: float, clock: Clock, stopped: threading.Event) -> Iterable[Recorded]:
    for one in requests:
        if stopped.is_set() or clock.monotonic() >= end:
            return
        yield one


def _so_far(run: _Run) -> JsonObject:
    return {"done": False, "problem": "", "asked": run.asked, "requests": run.requests}


def _summed_up(run: _Run, comparison: Comparison, versions: tuple[int, int]) -> JsonObject:
    summary = comparison.summary()
    new, old = versions
    times = {"new": summary.milliseconds[new], "old": summary.milliseconds[old]}
    medians = [times[side].get("p50") for side in ("new", "old")]
    slowdown = round(medians[0] / medians[1], 3) if medians[0] and medians[1] else None
    errors: dict[str, Any] = {"new": dict(summary.errors[new]), "old": dict(summary.errors[old])}
    return {
        **_so_far(run),
        "done": True,
        "rows": summary.rows,
        "agreement": round(summary.agreed_percent(new) / 100, 6),
        "error_rate": round(summary.only[new] / summary.requests, 6),
        "slowdown": slowdown,
        "milliseconds": times,
        "errors": errors,
        "largest": summary.largest if math.isfinite(summary.largest) else None,
        "output": summary.output,
        "worst": summary.worst,
    }
