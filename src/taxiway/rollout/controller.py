"""What acts: looks at every rollout under way, keeps what was decided in the journal, and leaves the rest to the loop.

All decisions are :mod:`taxiway.rollout.steer`'s. A look runs in the loop's thread, which owns the state: what was seen,
what was decided and what becomes the model's state are of one moment, and a command never comes in between. The
libraries that it takes are imported when the first rollout begins.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from taxiway.clock import Clock
from taxiway.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.journal import Event, Rollout
from taxiway.rollout.choose import asked, check_defaults, defaults
from taxiway.rollout.decide import Rule
from taxiway.rollout.entry import Entry
from taxiway.rollout.lead import Leadership
from taxiway.rollout.states import BEFORE, Change, State
from taxiway.serve.dataplane import DataPlane
from taxiway.serve.fleet import Model
from taxiway.serve.lifecycle import State as VersionState
from taxiway.serve.loop import Loop
from taxiway.serve.rollouts import Replays
from taxiway.serve.source import Observation
from taxiway.settings import in_database
from taxiway.stores import is_cloud
from taxiway.types import JsonObject

__all__ = ["Controller", "attach"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# From its beginning a rollout may take several steps at one moment; more in a row would be a mistake in the table.
_MOVES = 4
# A rollout that a server began by itself and that could not begin, for lack of traffic, is tried again after so long.
_AGAIN_SECONDS = 600.0
_BEFORE = frozenset(state.value for state in BEFORE)
_NO_REPLAYS = "this server replays nothing, and the plan demands a replay"
_WOULD_WORK = "; what would work: "


class Controller:
    """Runs the rollouts of one server."""

    def __init__(self, loop: Loop, plane: DataPlane, clock: Clock, replays: Replays | None = None) -> None:
        self._loop, self._plane, self._clock, self._replays = loop, plane, clock, replays
        # In a journal of its own a server needs no name.
        ports, shared = loop.settings, in_database(loop.settings.state)
        name = ports.server_name or f"{socket.gethostname()}:{ports.rest_port}:{ports.grpc_port}"
        self._lead = Leadership(name if shared else "", ports.takeover_seconds)
        self._taken_up: set[str] = set()
        self._said: dict[tuple[str, str], str] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taxiway-rollouts", daemon=True)

    def take_up(self) -> None:
        """Go on with what the journal knows; see :class:`taxiway.serve.rollouts.Rollouts`."""
        if self._loop.has_rollout():
            _libraries()
        self._loop.post(self._take_up_all)

    def start(self) -> None:
        """Look once a second.

        Raises:
            InvalidArgument, NotFound: the plan in a model's settings is none, or its file cannot be read.
        """
        for model in self._loop.ask(lambda: list(self._loop.models.values())):
            if model.settings.rollout.plan is not None:
                check_defaults(model)
        self._thread.start()

    def stop(self) -> None:
        """End after the look under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        try:
            self._loop.decide(self._leave, 5.0)
        except TaxiwayError as error:
            log.warning("That this server was stopped in order could not be kept: %s", error.message)

    def look(self) -> None:
        """Look at every rollout under way, and begin those that a model's settings ask for."""
        for name in self._loop.ask(self._busy):
            _libraries()
            try:
                self._loop.ask(lambda name=name: self._look(name))  # type: ignore[misc]
            except Exception:  # whatever one model's rollout meets, the others' guards go on watching
                if not self._stopped.is_set():
                    log.exception("%s: a look at its rollout failed.", name)

    def begin(self, model: str, plan: Mapping[str, object], who: str, wait_seconds: float) -> JsonObject:
        """Begin a rollout; see :class:`taxiway.serve.rollouts.Rollouts`."""
        _libraries()
        self._check_replay(model, plan)
        self._look_first(model, plan.get("to"))
        record = self._loop.decide(lambda: self._begin(self._model(model), plan, who))
        self._loop.wait_until(lambda models: _is_past(models, model, record.id), wait_seconds)
        status = self.status(model)
        if status["rollout"] == record.id and status["state"] == State.FAILED.value:
            text, _, would_work = status["because"].partition(_WOULD_WORK)
            raise FailedPrecondition(text or "the rollout failed", hint=would_work or f"taxiway status {model}")
        if status["rollout"] == record.id and status["rule"] == Rule.REPLAY.name:
            raise FailedPrecondition(
                f"version {record.target} was refused: {status['because']}",
                hint=f"it is held and no user saw it; taxiway rollout status {model}",
            )
        return status

    def change(self, model: str, verb: str, who: str, arm: str | None = None) -> JsonObject:
        """Do what somebody asks for; see :class:`taxiway.serve.rollouts.Rollouts`."""
        _libraries()
        self._loop.decide(lambda: self._change(self._model(model), verb, who, arm))
        return self.status(model)

    def status(self, model: str) -> JsonObject:
        """The latest rollout; see :class:`taxiway.serve.rollouts.Rollouts`."""
        _libraries()
        return self._loop.ask(lambda: self._status(self._model(model)))

    def _look_first(self, name: str, to: object) -> None:
        """Wait for a look at the source: what was just published, perhaps to be rolled out, may not be known yet."""

        def there(models: Mapping[str, Model]) -> bool:
            return name not in models or to in models[name].whole()

        known, before, source = self._loop.ask(lambda: _seen(self._model(name), there(self._loop.models)))
        if known:
            return
        settings = self._loop.settings
        self._loop.wait_until(
            lambda models: name not in models or models[name].observed is not before, settings.poll_seconds + 1
        )
        if to is not None and is_cloud(source):
            self._loop.wait_until(there, settings.store_poll_seconds + 1)

    def _check_replay(self, name: str, values: Mapping[str, object]) -> None:
        """Before anything changes, whether the replay that a plan demands can be; it reads the recording."""
        from taxiway.rollout.parse import parse_replay

        demand = parse_replay(self._loop.ask(lambda: {**defaults(self._model(name)), **values}), "the plan")
        if demand is None:
            return
        if self._replays is None:
            raise FailedPrecondition(_NO_REPLAYS, hint="leave replay out of the plan")
        self._replays.check(name, demand.requests)

    # In the loop's thread.

    def _busy(self) -> list[str]:
        models = self._loop.models.values()
        return [
            model.name for model in models if _under_way(model.state.rollout) or model.settings.rollout.plan is not None
        ]

    def _take_up_all(self) -> None:
        for name in self._loop.models:
            if self._take_up(name):
                # Before anything is loaded: one more may be one too many, and loading it end this process too.
                self._look(name)

    def _take_up(self, name: str) -> bool:
        """Once for each rollout, keep that this process serves it; whether the one before ended in no order."""
        model = self._loop.models[name]
        record = model.state.rollout
        if not _under_way(record) or (record.id in self._taken_up and self._lead.server in record.serving):
            return False
        from taxiway.rollout.steer import taken_up

        entry = taken_up(record, self._lead.server)
        try:
            if entry is not None:
                self._keep(model, entry, "server")
        except TaxiwayError as error:
            self._say(name, "that this server serves its rollout is not kept", error)
            return False
        self._taken_up.add(record.id)
        return entry is not None and entry.kind == "rollout-crashed"

    def _leave(self) -> None:
        for model in self._loop.models.values():
            record = model.state.rollout
            if _under_way(record) and self._lead.server in record.serving:
                data = {"rollout": record.id, "server": self._lead.server}
                self._loop.record(model, Event("rollout-left", model.name, "server", self._clock.now(), data))

    def _look(self, name: str) -> None:
        from taxiway.rollout.steer import steer

        model = self._loop.models.get(name)
        if model is None or model.leaving:
            return
        self._take_up(name)
        try:
            self._begin_by_itself(model)
        except TaxiwayError as error:  # whatever keeps the next one from beginning, the one under way is watched
            self._say(name, "no rollout begins by itself", error)
        try:
            self._lead_on(model)
            for _ in range(_MOVES):
                record = model.state.rollout
                entry = steer(record, self._sight(model)) if record is not None and self._lead.may_act(record) else None
                if entry is None:
                    return
                self._keep(model, entry, "rollout")
                if entry.kind != "rollout-changed":
                    return
        except TaxiwayError as error:
            self._say(name, "the rollout stands still", error)

    def _say(self, name: str, what: str, error: TaxiwayError) -> None:
        """Log it once, and not at every look; that another server was quicker is not worth a word."""
        if isinstance(error, Aborted):
            return
        if self._said.get((name, what)) != error.message:
            self._said[name, what] = error.message
            log.warning("%s: %s: %s", name, what, error.message)

    def _begin(self, model: Model, values: Mapping[str, object], who: str) -> Rollout:
        running = model.state.rollout
        if _under_way(running) and running.state != State.LIVE.value:
            raise FailedPrecondition(
                f"a rollout of version {running.target} of {model.name} is under way ({running.state})",
                hint=f"taxiway rollout abort {model.name}, or wait for its end",
            )
        entry, versions = asked(model, values, (secrets.token_hex(4), secrets.token_hex(8)))
        for version in versions:
            model.try_afresh(version)
        if _under_way(running):
            because = f"a rollout of version {entry.data['to']} begins, so version {running.source} is no longer kept"
            self._keep(model, Entry("rollout-closed", {"rollout": running.id, "because": because}), who)
        self._keep(model, entry, who)
        record = model.state.rollout
        assert record is not None  # the event has just begun it
        return record

    def _begin_by_itself(self, model: Model) -> None:
        """Where a model's settings hold a plan, a newer version than the one that is live gets its rollout."""
        live, record = model.state.live, model.state.rollout
        if model.settings.rollout.plan is None or live is None or model.default is None:
            return
        if _under_way(record) and record.state != State.LIVE.value:
            return
        newer = {version for version in model.whole() if version > live} - model.state.held
        if not newer:
            return
        again = record is not None and record.target == max(newer) and record.state == State.FAILED.value
        if again and record is not None and self._clock.now() - record.entered_at < _AGAIN_SECONDS:
            return
        self._begin(model, {"to": max(newer)}, "server")

    def _change(self, model: Model, verb: str, who: str, arm: str | None) -> None:
        from taxiway.rollout.steer import command

        record = model.state.rollout
        if record is None or record.over:
            raise FailedPrecondition(
                f"no rollout of {model.name} is under way", hint=f"taxiway rollout start {model.name}"
            )
        changes = {
            "pause": Change.PAUSE,
            "resume": Change.RESUME_SHADOW if record.step < 0 else Change.RESUME_CANARY,
            "promote": Change.PROMOTE,
            "abort": Change.ROLL_BACK,
        }
        if verb not in changes:
            raise InvalidArgument(f"a rollout cannot {verb}", hint=f"one of {', '.join(changes)}")
        self._keep(model, command(record, self._sight(model), changes[verb], arm, f"{verb} by {who}"), who)

    def _status(self, model: Model) -> JsonObject:
        from taxiway.rollout.report import report
        from taxiway.rollout.steer import next_action, own, view

        record = model.state.rollout
        if record is None:
            raise NotFound(f"{model.name} has had no rollout", hint=f"taxiway rollout start {model.name}")
        sight = own(record, self._sight(model))
        now = view(record, sight)
        action = None if record.over else next_action(now, sight)
        return {**report(now, action, sight), "journal_problem": self._loop.journal_problem}

    def _sight(self, model: Model) -> Any:
        from taxiway.rollout.steer import Sight

        found = [model.records.get(version) for version in _brought(model.state.rollout)]
        serves = all(one is not None and one.state is VersionState.AVAILABLE for one in found)
        failed = [one.error[1] for one in found if one is not None and one.error is not None]
        gave_up = any(one is not None and one.error is not None and one.state is VersionState.END for one in found)
        return Sight(
            now=self._clock.now(),
            outcomes=self._plane.outcomes(model.name) if self._leads(model.state.rollout) else None,
            default=model.default,
            loaded=True if serves else False if gave_up else None,
            problem=failed[0] if failed else "",
            newest=max(model.whole(), default=0),
            waits=not model.settings.rollout.once,
            replay=self._replayed(model),
            server=self._lead.server,
        )

    def _replayed(self, model: Model) -> JsonObject | None:
        """What the replay has come to; the first look begins it."""
        from taxiway.rollout.document import read_document

        record = model.state.rollout
        if record is None or record.state != State.REPLAY.value or not self._leads(record):
            return None
        demand = read_document(record.plan).replay
        if self._replays is None or demand is None:
            return {"done": True, "problem": _NO_REPLAYS, "asked": 0, "requests": 0}
        versions = (record.target, record.source)
        return self._replays.found(record.id, model.name, versions, demand.requests, demand.tolerance)

    def _leads(self, record: Rollout | None) -> bool:
        """Whether it is judged here; who judges it elsewhere counts other requests, and adds them to what it knows."""
        return record is None or self._lead.leads(record)

    def _lead_on(self, model: Model) -> None:
        """Of several servers, say that this one judges the rollout, still or from now on."""
        from taxiway.rollout.steer import counts_on

        record, sharing = model.state.rollout, self._loop.sharing
        if not _under_way(record) or sharing is None:
            return
        serves = set() if record.wish is None else record.wish.versions - set(model.serving())
        entry = self._lead.due(model.name, record, serves=not serves, now=self._clock.monotonic(), since=sharing.since)
        if entry is not None and entry.kind == "rollout-led":
            sight = replace(self._sight(model), outcomes=self._plane.outcomes(model.name))
            entry.data["seen"] = counts_on(record, sight)
            log.warning("%s: this server judges its rollout from now on; %s did", model.name, record.leader)
        if entry is not None:
            self._keep(model, entry, "rollout")

    def _keep(self, model: Model, entry: Any, who: str) -> None:
        data = entry.data
        if entry.kind == "rollout-started":
            data = {**data, "server": self._lead.server}
            self._taken_up.add(data["rollout"])
        self._loop.record(model, Event(entry.kind, model.name, who, self._clock.now(), data), entry.replaces)

    def _model(self, name: str) -> Model:
        model = self._loop.models.get(name)
        if model is None:
            known = ", ".join(sorted(self._loop.models)) or "none"
            raise NotFound(f"no such model: {name}", hint=f"this server has: {known}")
        return model

    def _run(self) -> None:
        while not self._clock.wait(self._stopped, LOOK_SECONDS):
            try:
                self.look()
            except Exception:  # the thread must outlive whatever one look does
                if not self._stopped.is_set():
                    log.exception("A look at the rollouts failed.")


def _libraries() -> None:
    """Import what a rollout takes, in this thread: the loop's must not stand still for it."""
    from taxiway.rollout import steer  # noqa: F401


def _under_way(rollout: Rollout | None) -> TypeGuard[Rollout]:
    return rollout is not None and not rollout.over


def _seen(model: Model, known: bool) -> tuple[bool, Observation | None, str]:
    return known, model.observed, model.settings.source


def _brought(rollout: Rollout | None) -> set[int]:
    """The versions that a rollout brings: those it wants in memory beside the old one."""
    if rollout is None:
        return set()
    wanted = rollout.wish.versions - {rollout.source} if rollout.wish is not None else frozenset()
    return set(wanted) or {rollout.target}


def _is_past(models: Mapping[str, Model], name: str, rollout: str) -> bool:
    """Whether a rollout has got to its first step, or come to an end before it."""
    record = models[name].state.rollout if name in models else None
    return record is None or record.id != rollout or record.over or record.state not in _BEFORE


def attach(loop: Loop, plane: DataPlane, clock: Clock, replays: Replays | None = None) -> Controller:
    """What runs a server's rollouts, for where it is composed."""
    return Controller(loop, plane, clock, replays)
