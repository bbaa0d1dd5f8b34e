"""The loop that closes the gap between what is wanted and what serves: observe → plan → act → publish.

One thread owns all state. Everything that happens elsewhere (a load that ended, a look at a directory, an operator's
command) arrives as a call in the inbox, and wakes it; there is no waiting by sleeping.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TypeVar

from taxiway.clock import Clock, SystemClock
from taxiway.errors import Aborted, Internal, TaxiwayError, Unavailable
from taxiway.journal import Event, Journal
from taxiway.serve import fleet
from taxiway.serve.dataplane import DataPlane, Loaded
from taxiway.serve.decided import Decided, Sharing, States
from taxiway.serve.engines import tell_loaded
from taxiway.serve.fleet import Model
from taxiway.serve.inbox import Inbox
from taxiway.serve.lifecycle import Change, Record, State, follow
from taxiway.serve.plan import Action, Load, Unload, choose_default, keep_after_swap, plan
from taxiway.serve.retry import Backoff
from taxiway.serve.source import Observation
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.types import JsonObject

__all__ = ["Loop", "Surroundings"]

log = logging.getLogger(__name__)
T = TypeVar("T")
# How often a decision is made anew when another server was quicker.
_ATTEMPTS = 4


@dataclass(frozen=True)
class Surroundings:
    """What the loop acts through.

    ``spec`` makes the document for one load; ``local`` makes a version's path one on this machine, which may take long
    and is called where versions load; ``random`` gives numbers from 0 to 1.
    """

    plane: DataPlane
    journal: Journal
    loads: Executor
    unloads: Executor
    spec: Callable[[str, int, str, ModelSettings], JsonObject]
    clock: Clock = field(default_factory=SystemClock)
    random: Callable[[], float] = random.random
    local: Callable[[str], str] = str


class Loop(Inbox):
    """The control plane's one loop. Construct it, :meth:`want` models, then :meth:`start` or :meth:`step` it."""

    def __init__(self, around: Surroundings, settings: ServerSettings) -> None:
        super().__init__()
        self._around = around
        self.settings = settings
        self._backoff = Backoff(
            settings.retry_first_seconds, settings.retry_longest_seconds, attempts=settings.load_attempts
        )
        self._models: dict[str, Model] = {}
        self._decided = Decided(around.journal, around.clock.now())
        self._published: JsonObject | None = None
        self._releases: list[tuple[Model, int, Loaded]] = []
        self._waiters: list[tuple[Callable[[Mapping[str, Model]], bool], Future[bool]]] = []
        self._thread = threading.Thread(target=self._run, name="taxiway-loop", daemon=True)

    # Called from any thread.

    def start(self) -> None:
        """Run in a thread until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. What serves goes on serving with the last table."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        for _, reached in self._waiters:
            reached.set_result(False)

    def decide(self, question: Callable[[], T], timeout_seconds: float = 30.0) -> T:
        """As :meth:`ask`, for what changes something.

        Where the journal is shared, what other servers decided so far is taken over first, and ``question`` is asked
        again when one of them was quicker.

        Raises:
            Aborted: one of them was, each time.
        """
        for last in (*[False] * (_ATTEMPTS - 1), True):
            news = self.sharing.read() if self.sharing is not None else None

            def informed(news: tuple[States, int] | None = news) -> T:
                if news is not None:
                    self.take_over(*news)
                return question()

            try:
                return self.ask(informed, timeout_seconds)
            except Aborted:
                if last:
                    raise
        raise AssertionError("unreachable")

    @property
    def journal_problem(self) -> str:
        """Why nothing can be changed; empty when it can."""
        return self._decided.problem

    @property
    def loaded(self) -> tuple[States, int]:
        """The journal's replay with which this process began, and the id of its last event."""
        return self._decided.loaded

    @property
    def sharing(self) -> Sharing | None:
        """What reads the journal that is shared with other servers; None where it is this server's own."""
        return self._decided.sharing

    @sharing.setter
    def sharing(self, sharing: Sharing) -> None:
        self._decided.sharing = sharing

    def want(self, models: Mapping[str, ModelSettings]) -> None:
        """Make these the configured models; one that is left out is unloaded."""
        self.post(lambda: self._want(dict(models)))

    def observe(self, name: str, observation: Observation) -> None:
        """Say what a look at a model's source found."""

        def take() -> None:
            if name in self._models:
                self._models[name].observed = self._merged(self._models[name], observation)

        self.post(take)

    def wait_until(self, check: Callable[[Mapping[str, Model]], bool], timeout_seconds: float | None) -> bool:
        """Wait until ``check`` holds after some step; whether it did in time. ``check`` runs in the loop's thread."""
        reached: Future[bool] = Future()
        waiter = (check, reached)
        self.ask(lambda: self._waiters.append(waiter))
        try:
            return reached.result(timeout_seconds)
        except FutureTimeout:
            self.post(lambda: self._waiters.remove(waiter) if waiter in self._waiters else None)
            return False

    def has_rollout(self) -> bool:
        """Whether the journal knew of a rollout that is not over when this process began."""
        return self._decided.has_rollout()

    def status(self, name: str | None = None) -> list[JsonObject]:
        """The models (one, when ``name`` says which) for people; see :func:`taxiway.serve.fleet.status`."""

        def read() -> list[JsonObject]:
            now = self._around.clock.monotonic()
            return [fleet.status(m, now) for key, m in sorted(self._models.items()) if name in (None, key)]

        return self.ask(read)

    # Called in the loop's thread.

    def record(self, model: Model, event: Event, replaces: int = 0) -> Event:
        """Journal a change and make it the model's state; the next step acts on it. ``replaces`` is the journal's.

        Raises:
            Aborted: of several servers, another changed the model at the same moment. Nothing has changed.
            Unavailable: the journal cannot be written. Nothing has changed; ``journal_problem`` says so until it can.
        """
        kept = self._decided.keep(event, replaces)
        model.state = self._decided.of(model.name)
        return kept

    def take_over(self, states: States, up_to: int) -> None:
        """Make the journal's replay up to an event the models' state, unless this server has appended later ones."""
        self._decided.take_over(states, up_to)
        for name, model in self._models.items():
            model.state = self._decided.of(name)

    @property
    def models(self) -> Mapping[str, Model]:
        """The models; only the loop's thread may look."""
        return self._models

    def step(self) -> float | None:
        """Take in what arrived, decide, act, publish.

        Returns:
            Monotonic seconds at which something is due by itself; None when nothing is.
        """
        self._take_in()
        now = self._around.clock.monotonic()
        for model in self._models.values():
            self._advance(model, now)
        self._forget()
        self._publish()
        self._answer_waiters()
        return self._due(now)

    def _answer_waiters(self) -> None:
        for check, reached in self._waiters:
            try:
                if check(self._models):
                    reached.set_result(True)
            except Exception as error:  # noqa: BLE001 - the waiter gets it, whatever it is
                reached.set_exception(error)
        self._waiters = [waiter for waiter in self._waiters if not waiter[1].done()]

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                due = self.step()
            except Exception:  # what serves must not depend on whether one step could be taken
                log.exception("A step of the control loop failed.")
                due = self._around.clock.monotonic() + 1.0
            if self._inbox.empty():
                left = None if due is None else max(due - self._around.clock.monotonic(), 0.0)
                self._around.clock.wait(self._wake, left)

    def _want(self, models: dict[str, ModelSettings]) -> None:
        for name, settings in models.items():
            if name in self._models:
                self._models[name].settings, self._models[name].leaving = settings, False
            else:
                self._models[name] = Model(name, settings, state=self._decided.of(name))
        for name, model in self._models.items():
            model.leaving = name not in models

    @staticmethod
    def _merged(model: Model, seen: Observation) -> Observation:
        """A directory that cannot be read says nothing about its versions: those known before are still there."""
        if seen.problem and model.observed is not None:
            return Observation(model.observed.found, seen.problem, model.observed.labels)
        return seen

    def _advance(self, model: Model, now: float) -> None:
        if model.observed is None and not model.leaving:
            return
        self._choose(model, now)
        model.settle_labels()
        for action in plan(model.view(), now):
            self._act(model, action)
        self._adopt(model)
        self._choose(model, now)  # what answered may be among what leaves, when nothing is wanted any more

    def _choose(self, model: Model, now: float) -> None:
        default = choose_default(model.view())
        if default == model.default:
            return
        keep = model.settings
        log.info("%s: version %s answers, before %s", model.name, default, model.default)
        count = keep.keep_previous if keep.keep_previous_seconds > 0 else 0
        model.kept = keep_after_swap(model.kept, model.default, default, now + keep.keep_previous_seconds, count)
        model.default = default

    def _adopt(self, model: Model) -> None:
        """Where new versions wait for a rollout, remember the first that answered; what is newer waits from then on."""
        once, live = model.settings.rollout.once, model.state.live
        version = None if once else (model.default if live is None else live)
        if version == live or model.leaving:
            return
        try:
            now = self._around.clock.now()
            self.record(model, Event("adopt", model.name, "server", now, {"version": version}))
        except Aborted:
            return  # what another server decided comes with the next look, and then what is still to be kept
        except TaxiwayError as error:
            log.warning("%s: which version is live could not be kept: %s", model.name, error.message)

    def _act(self, model: Model, action: Action) -> None:
        if isinstance(action, Load):
            self._load(model, action)
        elif isinstance(action, Unload):
            state = follow(model.records[action.version].state, Change.UNLOAD)
            model.move(action.version, state=state)
            # Not given up before the table without it is out: until then a request may still be led to it.
            self._releases.append((model, action.version, model.loaded.pop(action.version)))
        else:
            record = model.records[action.version]
            state = follow(record.state, Change.CANCEL) if record.state is State.START else record.state
            model.move(action.version, state=state, dropped=True, ended_at=self._around.clock.monotonic())

    def _load(self, model: Model, action: Load) -> None:
        version = action.version
        record = model.records.get(version)
        if record is None or record.state is State.END:
            record = Record(version, action.path)
        model.records[version] = record
        model.move(version, state=follow(record.state, Change.LOAD))
        around, settings = self._around, model.settings

        def load() -> Loaded:
            spec = around.spec(model.name, version, around.local(action.path), settings)
            return around.plane.load({**spec, "urgent": action.urgent})

        future = around.loads.submit(load)
        future.add_done_callback(lambda done: self.post(lambda: self._loaded(model, version, done)))

    def _loaded(self, model: Model, version: int, done: Future[Loaded]) -> None:
        error = done.exception()
        if error is not None:
            self._failed(model, version, error)
            return
        loaded = done.result()
        model.loaded[version], model.described[version] = loaded, loaded.describe()
        state = follow(model.records[version].state, Change.LOADED)
        model.move(version, state=state, loaded_id=loaded.id, error=None, attempts=0)
        tell_loaded(model.name, version, model.described[version])

    def _failed(self, model: Model, version: int, error: BaseException) -> None:
        known = error if isinstance(error, TaxiwayError) else Internal(f"{type(error).__name__}: {error}")
        record = model.records[version]
        attempts = record.attempts + 1
        # A store that is away is no fault of the version: it is tried for as long as it is wanted.
        counted = min(attempts, self._backoff.attempts - 1) if isinstance(known, Unavailable) else attempts
        delay = self._backoff.delay_seconds(counted, self._around.random)
        now = self._around.clock.monotonic()
        model.move(
            version,
            state=follow(record.state, Change.GAVE_UP if delay is None else Change.FAILED),
            attempts=attempts,
            retry_at=now + (delay or 0.0),
            error=(known.kind, known.message),
            ended_at=now,
        )
        log.warning("%s: version %d failed to load (attempt %d): %s", model.name, version, attempts, known.message)

    def _publish(self) -> None:
        table = fleet.table(self._models, self._published is not None and bool(self._published["ready"]))
        if table != self._published:
            if not self._swapped(table):
                return
            self._published = table
        for model, version, loaded in self._releases:
            future = self._around.unloads.submit(loaded.release, self.settings.drain_seconds)
            # Freed now or, past the time, with its last request: either way it is gone from here.
            future.add_done_callback(self._unloaded(model, version))
        self._releases.clear()

    def _swapped(self, table: JsonObject) -> bool:
        """Whether the data plane serves the table now; without its routes, when it refuses one of them."""
        plane = self._around.plane
        try:
            plane.publish(table)
        except TaxiwayError as error:
            plain = fleet.without_routes(table)
            if plain == table:
                log.error("The data plane refused a table and keeps the last one: %s", error.message)
                return False
            # No rollout may keep a version from being loaded, taken over or put back.
            log.error("The data plane refused a route, so none is in force: %s", error.message)
            try:
                plane.publish(plain)
            except TaxiwayError as again:
                log.error("The data plane refused a table and keeps the last one: %s", again.message)
                return False
        return True

    def _unloaded(self, model: Model, version: int) -> Callable[[Future[bool]], None]:
        def take() -> None:
            state = follow(model.records[version].state, Change.UNLOADED)
            model.described.pop(version, None)
            model.move(version, state=state, loaded_id=None, ended_at=self._around.clock.monotonic())
            log.info("%s: version %d is unloaded", model.name, version)

        return lambda _: self.post(take)

    def _forget(self) -> None:
        """Drop the oldest ended versions, and models that are configured no longer and hold nothing."""
        for model in self._models.values():
            over = sorted((r.ended_at, v) for v, r in model.records.items() if r.state is State.END and r.dropped)
            for _, version in over[: max(len(over) - self.settings.history_versions, 0)]:
                del model.records[version]
        gone = [
            n for n, m in self._models.items() if m.leaving and all(r.state is State.END for r in m.records.values())
        ]
        for name in gone:
            del self._models[name]

    def _due(self, now: float) -> float | None:
        moments = [
            record.retry_at
            for model in self._models.values()
            for record in model.records.values()
            if record.state is State.START
        ]
        moments += [until for model in self._models.values() for until in model.kept.values() if until > now]
        return min(moments, default=None)
