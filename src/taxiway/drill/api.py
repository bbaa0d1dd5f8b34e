"""The drill."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.clock import Clock, SystemClock
from taxiway.drill.faults import Faults
from taxiway.drill.traffic import BAD, MODEL, SOUND, Case, Met, Traffic
from taxiway.errors import InvalidArgument, NotFound
from taxiway.replay.ask import Asker
from taxiway.replay.compare import Answered
from taxiway.rollout.parse import over
from taxiway.types import JsonObject
from taxiway.wire.recording import Recorded, Recording
from taxiway.wire.records import WARM_UP_FILE

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

__all__ = ["PLAN", "Drill", "drill"]

PLAN: Mapping[str, object] = {"steps": "10,50", "step_duration": "5s", "step_units": 100, "measure": "1m",
                              "max_duration": "10m", "guards": ["errors", "p95"]}  # fmt: skip
"""The rehearsed rollout, as far as nobody says otherwise: short, since a bad version is noticed within a step."""
# Wrong answers take somebody who knows better: both versions answer, and feedback says which one is right.
_JUDGED: Mapping[str, object] = {"shadow": "50", "guards": ["errors", "p95", "accuracy"]}
_REQUESTS = 256
_LOAD_SECONDS = 300.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Drill:
    """What the drill found.

    Attributes:
        model: its name.
        version: the version that was rehearsed with, sound and made bad.
        faults: what went wrong.
        noticed: whether the rollout was rolled back by itself.
        state: what it came to.
        rule: what it was rolled back by, and ``because``, in words.
        because: see ``rule``.
        seconds: from the bad version's first share, or shadow, to the decision; None when it was not noticed.
        requests: answered while the rollout was under way, by version: 1 sound, 2 bad.
        affected: bad answers that users would have got: ``errors``, ``wrong``, ``slow``, and their sum ``all``.
        promised: the most that the plan promised.
    """

    model: str
    version: int
    faults: Faults
    noticed: bool
    state: str
    rule: str
    because: str
    seconds: float | None
    requests: Mapping[int, int]
    affected: Mapping[str, int]
    promised: int

    def as_json(self) -> JsonObject:
        """The same for programs."""
        return asdict(self)


def drill(
    model: str,
    faults: Faults,
    *,
    store: str | os.PathLike[str] = "models/",
    version: int | None = None,
    recording: str | os.PathLike[str] | None = None,
    plan: Mapping[str, object] | None = None,
    requests_per_second: float = 400.0,
    max_seconds: float = 120.0,
    seed: int = 0,
    clock: Clock | None = None,
) -> Drill:
    """Roll a version out against itself, made bad, in a server of this process, under traffic of recorded requests.

    Args:
        model: its name in the store.
        faults: what goes wrong.
        store: a directory, ``s3://…`` or ``gs://…``.
        version: which; the newest when None.
        recording: a directory or file of recorded requests; the version's warm-up requests when None.
        plan: keys of a plan's file, over those of :data:`PLAN`; a replay is left out.
        requests_per_second: the traffic.
        max_seconds: when the drill is over at the latest.
        seed: of what goes wrong when.
        clock: waits between looks.

    Raises:
        NotFound: no such version, or no requests to ask.
        InvalidArgument: a wrong value, or a plan that cannot work.
        FailedPrecondition: the version does not load, or the plan does not fit the traffic; the hint says what would.
    """
    if requests_per_second <= 0 or max_seconds <= 0:
        raise InvalidArgument("A drill needs requests, and time.", hint="--rate 400 --max-seconds 120")
    clock = clock or SystemClock()
    with tempfile.TemporaryDirectory(prefix="taxiway-drill-") as folder:
        number, files = _files(model, version, store, Path(folder) / "pulled")
        requests = _requests(Path(recording) if recording is not None else files / WARM_UP_FILE)
        base = Path(folder) / "models" / MODEL
        base.mkdir(parents=True)
        (base / str(SOUND)).symlink_to(files)
        with _rehearsing(base, faults.spec(seed)) as server:
            address = server.grpc_url.removeprefix("grpc://")
            cases = _cases(address, requests, judged=faults.wrong > 0)
            slow = faults.slow_ms / 1000 if faults.slow else None
            planned = over({**PLAN, **(_JUDGED if faults.wrong else {})}, plan or {})
            planned.pop("replay", None)  # of what users asked there is nothing here
            (base / str(BAD)).symlink_to(files)
            with Traffic(address, cases, requests_per_second, slow) as traffic:
                status = _rolled_out(server, planned, max_seconds, clock)
            changes = _changes(server)
        return _found((model, number), faults, status, changes, traffic.met)


def _files(model: str, version: int | None, store: str | os.PathLike[str], cache: Path) -> tuple[int, Path]:
    from taxiway.stores import Shelf, checked_name, open_store, pull

    shelf = Shelf(open_store(store), checked_name(model))
    there = shelf.with_versions(*([] if version is None else [version]))
    number = there[-1] if version is None else version
    return number, pull(shelf, number, cache).absolute()


def _requests(path: Path) -> list[Recorded]:
    if not path.exists():
        raise NotFound(
            f"There are no requests to ask: {path} is not there.",
            hint="--recording gives some; publish with warm_up keeps some with the version",
        )
    return list(islice(Recording(path), _REQUESTS))


@contextmanager
def _rehearsing(base: Path, faults: JsonObject) -> Iterator[ServeHandle]:
    """A server of the models in ``base`` where version :data:`BAD` loads with faults, once it is there."""
    from taxiway.rollout.controller import attach
    from taxiway.serve.api import sort_paths, start
    from taxiway.serve.server import NativeDataPlane
    from taxiway.settings import read_settings

    ports = {"rest_port": -1, "grpc_port": 0, "admin_port": -1}
    server = {**ports, "state": "", "poll_seconds": 0.1, "quiet_seconds": 0.0, "load_attempts": 1}
    settings = read_settings(environ={}, server=server, defaults={"rollout": "manual"})

    class Rigged(NativeDataPlane):
        """Loads one version with faults."""

        def load(self, spec: JsonObject) -> Any:
            # Its warm-up is left out: a version that fails there never gets to answer.
            rigged = {"faults": faults, "warm_up": {**spec["warm_up"], "enabled": False}}
            return super().load({**spec, **rigged} if spec["version"] == BAD else spec)

    handle = start(settings, sort_paths({MODEL: base}), Rigged(settings.server), rollouts=attach)
    try:
        handle.wait_ready(_LOAD_SECONDS)
        yield handle
    finally:
        handle.stop()


def _cases(address: str, requests: list[Recorded], judged: bool) -> list[Case]:
    """What the sound version answers; asked by its number, which no rollout counts."""
    asker = Asker(address, MODEL, 60.0)
    try:
        answers = [asker.ask(one, SOUND) for one in requests]
    finally:
        asker.close()
    refused = next((one.error for one in answers if one.error is not None), None)
    if refused is not None:
        raise InvalidArgument(
            f"The sound version refuses a recorded request: {refused}", hint="Give another recording."
        )
    return [
        Case(request, answer, _classes(answer) if judged else ())
        for request, answer in zip(requests, answers, strict=True)
    ]


def _classes(answered: Answered) -> list[int]:
    """The class that the sound version gives to each row, which is taken for the right one.

    Raises:
        InvalidArgument: the answer holds no scores of classes.
    """
    scores = [array for _, array in sorted(answered.outputs.items()) if array.dtype.kind == "f" and array.ndim == 2]
    wide = next((array for array in scores if array.shape[1] > 1), None)
    if wide is None:
        raise InvalidArgument(
            "This model answers without classes, so nobody could say that an answer is wrong.",
            hint="--fault errors=5% or slow=20%:100ms",
        )
    return [int(one) for one in wide.argmax(axis=1)]


def _rolled_out(server: ServeHandle, plan: Mapping[str, object], max_seconds: float, clock: Clock) -> JsonObject:
    """The rollout's last status: it is over, or the time is."""
    import threading

    server.loop.wait_until(lambda models: BAD in models[MODEL].whole(), _LOAD_SECONDS)
    status = server.rollouts.begin(MODEL, {"to": BAD, **plan}, "drill", _LOAD_SECONDS)
    end, never = clock.monotonic() + max_seconds, threading.Event()
    while not status["over"] and status["state"] != "live" and clock.monotonic() < end:
        clock.wait(never, _LOOK_SECONDS)
        status = server.rollouts.status(MODEL)
    return status


def _changes(server: ServeHandle) -> dict[str, JsonObject]:
    """The rollout's changes by name, each with when it happened; of several the last."""
    events = [event for event in server.operator.history(100, MODEL) if event["kind"] == "rollout-changed"]
    return {event["data"]["change"]: {**event["data"], "at": event["at"]} for event in reversed(events)}


def _found(
    model: tuple[str, int], faults: Faults, status: JsonObject, changes: Mapping[str, JsonObject], met: Met
) -> Drill:
    back, began = changes.get("ROLL_BACK"), changes.get("TO_CANARY") or changes.get("TO_SHADOW")
    return Drill(
        model=model[0],
        version=model[1],
        faults=faults,
        noticed=back is not None,
        state=status["state"],
        rule=back["rule"] if back is not None else status["rule"],
        because=back["because"] if back is not None else status["because"],
        seconds=round(back["at"] - began["at"], 3) if back is not None and began is not None else None,
        requests=met.answered,
        affected={"errors": met.errors, "wrong": met.wrong, "slow": met.slow, "all": met.affected},
        promised=status["affected_at_most"],
    )
