"""What operators do: rollback, hold, release. Each becomes one journal event; the loop acts on the state it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taxiway.clock import Clock
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from taxiway.journal import Event, Journal, Rollout
from taxiway.serve.fleet import Model
from taxiway.serve.loop import Loop
from taxiway.types import JsonObject

__all__ = ["Operator"]


class Operator:
    """The commands, for any thread. ``who`` is kept in the journal as it is given."""

    def __init__(self, loop: Loop, journal: Journal, clock: Clock) -> None:
        self._loop = loop
        self._journal = journal
        self._clock = clock

    def rollback(self, name: str, to: int | None, who: str, wait_seconds: float) -> JsonObject:
        """Make an earlier version answer again, and hold the one it goes back from; a rollout under way ends.

        Args:
            name: the model.
            to: the version; None is the one that a rollout under way began from, and without one the newest below the
                version that answers which may serve.
            who: who asks.
            wait_seconds: how long to wait for the version when it must be loaded first.

        Returns:
            ``{"model", "from", "to", "done", "event"}``; not ``done`` when it is still loading.

        Raises:
            NotFound, FailedPrecondition: no such model, or no version to go back to. Nothing was changed.
            Unavailable: the version failed to load; the one before goes on serving.
        """

        def begin() -> tuple[int | None, int, int]:
            model = self._model(name)
            source, target = _source(model), _target(model, to)
            above = max([target, source or target, *model.whole()])
            data = {"from": source, "to": target, "above": above}
            event = self._loop.record(model, self._event("rollback", name, who, data))
            model.try_afresh(target)
            return source, target, event.id

        source, target, event = self._loop.decide(begin)
        done = self._loop.wait_until(lambda models: _arrived(models, name, target), wait_seconds)
        return {"model": name, "from": source, "to": target, "done": done, "event": event}

    def hold(self, name: str, version: int, who: str) -> JsonObject:
        """Keep a version from being chosen until it is released.

        Raises:
            NotFound: no such model.
        """
        return self._change("hold", name, version, who)

    def release(self, name: str, version: int | None, who: str) -> JsonObject:
        """Let a held version be chosen again; all of them, and the newest answers, when ``version`` is None.

        Raises:
            NotFound: no such model.
        """
        return self._change("release", name, version, who)

    def history(self, limit: int, name: str | None = None) -> list[JsonObject]:
        """The newest changes, newest first."""
        if limit < 1:
            raise InvalidArgument(f"limit is {limit}, but 1 is the least")
        return [_as_json(event) for event in self._journal.recent(limit, name)]

    def _change(self, kind: str, name: str, version: int | None, who: str) -> JsonObject:
        def begin() -> JsonObject:
            model = self._model(name)
            event = self._loop.record(model, self._event(kind, name, who, {"version": version}))
            for number in [version] if version is not None else list(model.records):
                model.try_afresh(number)
            return {"model": name, "version": version, "held": sorted(model.state.held), "event": event.id}

        return self._loop.decide(begin)

    def _model(self, name: str) -> Model:
        model = self._loop.models.get(name)
        if model is None:
            known = ", ".join(sorted(self._loop.models)) or "none"
            raise NotFound(f"no such model: {name}", hint=f"this server has: {known}")
        return model

    def _event(self, kind: str, model: str, who: str, data: Mapping[str, Any]) -> Event:
        return Event(kind=kind, model=model, who=who, at=self._clock.now(), data=dict(data))


def _rollout(model: Model) -> Rollout | None:
    rollout = model.state.rollout
    return None if rollout is None or rollout.over else rollout


def _source(model: Model) -> int | None:
    """The version to go back from: the one that a rollout brings, though it may not answer all requests yet."""
    rollout = _rollout(model)
    return model.default if rollout is None else rollout.target


def _target(model: Model, to: int | None) -> int:
    there, current, rollout = model.whole(), _source(model), _rollout(model)
    if to is None and rollout is not None:
        return rollout.source
    if to is not None:
        if to == current:
            raise FailedPrecondition(f"version {to} of {model.name} answers already", hint="taxiway status")
        if to not in there:
            listed = ", ".join(map(str, sorted(there))) or "none"
            raise NotFound(f"no version {to} of {model.name} to go back to", hint=f"there are: {listed}")
        return to
    if current is None:
        raise FailedPrecondition(f"no version of {model.name} answers", hint="say which with --to")
    failed = {version for version, record in model.records.items() if record.error is not None}
    earlier = {version for version in there if version < current} - model.state.held - failed
    if not earlier:
        raise FailedPrecondition(
            f"{model.name} has no version before {current} to go back to", hint="publish one, or say which with --to"
        )
    return max(earlier)


def _arrived(models: Mapping[str, Model], name: str, target: int) -> bool:
    model = models.get(name)
    if model is None:
        raise NotFound(f"no such model any more: {name}")
    if model.default == target:
        return True
    record = model.records.get(target)
    if record is not None and record.error is not None:
        raise Unavailable(
            f"version {target} of {name} failed to load: {record.error[1]}",
            hint=f"version {model.default} goes on serving; taxiway release {name} ends the attempt",
        )
    return False


def _as_json(event: Event) -> JsonObject:
    return {
        "id": event.id,
        "at": event.at,
        "who": event.who,
        "kind": event.kind,
        "model": event.model,
        "data": dict(event.data),
    }
