"""All that the loop knows, model by model, and two readings of it: the table served, the status shown."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from taxiway.errors import error_of_kind
from taxiway.journal import ModelState
from taxiway.serve.dataplane import Loaded
from taxiway.serve.lifecycle import Record, State
from taxiway.serve.plan import View
from taxiway.serve.source import Observation
from taxiway.settings import ModelSettings
from taxiway.types import JsonObject

__all__ = ["Model", "shares", "status", "table", "without_routes"]


@dataclass
class Model:
    """One model. ``observed`` is None until its source was looked at; ``leaving`` when it is no longer configured;
    ``labels`` are those that requests may use now.
    """

    name: str
    settings: ModelSettings
    observed: Observation | None = None
    state: ModelState = field(default_factory=ModelState)
    records: dict[int, Record] = field(default_factory=dict)
    loaded: dict[int, Loaded] = field(default_factory=dict)
    described: dict[int, JsonObject] = field(default_factory=dict)
    kept: dict[int, float] = field(default_factory=dict)
    default: int | None = None
    leaving: bool = False
    labels: dict[str, int] = field(default_factory=dict)

    def view(self) -> View:
        """What a decision about it is made from."""
        found = self.observed.found if self.observed is not None and not self.leaving else ()
        return View(
            self.settings.versions,
            found,
            self.records,
            self.state,
            self.default,
            self.kept,
            waits=not self.settings.rollout.once,
            labelled=frozenset({*self.labels_wanted().values(), *self.labels.values()}),
        )

    def labels_wanted(self) -> dict[str, int]:
        """The store's labels, and over them those of the configuration."""
        return {**(self.observed.labels if self.observed is not None else {}), **self.settings.labels}

    def settle_labels(self) -> None:
        """Move each label to where it is wanted when that version serves; until then it stays where it was."""
        serving = self.serving()
        moved = {
            label: version if version in serving else self.labels.get(label)
            for label, version in self.labels_wanted().items()
        }
        self.labels = {label: version for label, version in moved.items() if version is not None and version in serving}

    def move(self, version: int, **changes: Any) -> None:
        """Change a version's record."""
        self.records[version] = replace(self.records[version], **changes)

    def serving(self) -> list[int]:
        """The versions that answer requests, newest first."""
        return sorted((v for v, record in self.records.items() if record.state is State.AVAILABLE), reverse=True)

    def whole(self) -> set[int]:
        """The versions that are there and whole, and those that serve."""
        found = self.observed.found if self.observed else ()
        return {one.version for one in found if not one.waiting} | set(self.serving())

    def try_afresh(self, version: int) -> None:
        """Somebody who asks for a version that was given up wants it tried again."""
        record = self.records.get(version)
        if record is not None and record.state is State.END:
            self.move(version, dropped=True)
        elif record is not None and record.state is State.START:
            self.move(version, attempts=0, retry_at=0.0, error=None)

    def settled(self) -> bool:
        """Whether it serves, or was looked at and all that may be loaded was tried at least once."""
        if self.default is not None:
            return True
        if self.observed is None:
            return False
        tried = [record.error is not None or record.state is State.END for record in self.records.values()]
        return all(tried) and (bool(tried) or not any(not found.waiting for found in self.observed.found))

    def copying(self) -> bool:
        """Whether it serves nothing, and a version is there that is not whole yet."""
        return self.default is None and self.observed is not None and any(f.waiting for f in self.observed.found)

    def reason(self) -> str:
        """Why it does not serve; empty when it does."""
        if self.default is not None:
            return ""
        if self.observed is None:
            return "not looked at yet"
        if self.observed.problem:
            return self.observed.problem
        for version, record in sorted(self.records.items(), reverse=True):
            if record.error is not None:
                return f"version {version} failed to load: {record.error[1]}"
            if record.state in (State.START, State.LOADING):
                return f"version {version} is loading"
        for found in reversed(self.observed.found):
            if found.waiting:
                return f"version {found.version}: {found.waiting}"
        return "no version is there" if not self.observed.found else "no version is wanted"


def table(models: dict[str, Model], was_ready: bool = False) -> JsonObject:
    """The document that ``publish`` takes.

    Args:
        models: every model.
        was_ready: whether the table before was ready: a model that is added later does not take that back.
    """
    settled = all(model.settled() and not model.copying() for model in models.values())
    serving = any(model.default is not None for model in models.values())
    reasons = [f"{model.name}: {model.reason()}" for model in models.values() if model.default is None]
    return {
        "models": {name: _entry(model) for name, model in models.items()},
        "labels_used": any(model.labels_wanted() for model in models.values()),
        "ready": not models or (serving and (settled or was_ready)),
        "reason": "; ".join(reasons),
    }


def _entry(model: Model) -> JsonObject:
    serving = model.serving()
    route = _route(model, serving)
    found = model.observed.found if model.observed else ()
    artifacts = {str(one.version): one.artifacts for one in found if one.artifacts and one.version in serving}
    return {
        **({} if route is None else {"route": route}),
        **({"artifacts": artifacts} if artifacts else {}),
        "default": model.default,
        "versions": {str(version): model.loaded[version].id for version in serving},
        # One whose version cannot serve still points to it: "not found" says more than "unrecognized".
        "labels": {label: model.labels.get(label, version) for label, version in model.labels_wanted().items()},
        "ready": model.default is not None,
        "reason": model.reason(),
        "statuses": [_wire_status(record) for _, record in sorted(model.records.items(), reverse=True)],
    }


def _route(model: Model, serving: list[int]) -> JsonObject | None:
    """How a rollout shares the requests out; None without one, and until all that it leads to serves."""
    wish = model.state.wish
    if wish is None or wish.route is None or model.default is None:
        return None
    route = dict(wish.route)
    led_to = {arm["version"] for arm in route["arms"]}
    if route.get("shadow"):
        led_to.add(route["shadow"]["version"])
    return route if led_to <= set(serving) and wish.default in (None, model.default) else None


def shares(model: Model) -> dict[int, float]:
    """The share of the requests, 0 to 1, that each version answers of those that name none."""
    if model.default is None:
        return {}
    route = _route(model, model.serving()) or {"arms": []}
    found: dict[int, float] = {model.default: 1.0}
    for arm in route["arms"]:
        part = arm["share_ppm"] / 1e6
        found[model.default] -= part
        found[arm["version"]] = found.get(arm["version"], 0.0) + part
    return {version: round(share, 6) for version, share in found.items()}


def _wire_status(record: Record) -> JsonObject:
    kind, text = record.error or (None, "")
    return {
        "version": record.version,
        "state": record.state.value,
        "error_code": error_of_kind(kind, text).grpc_code if kind else 0,
        "error_message": text,
    }


def without_routes(table: JsonObject) -> JsonObject:
    """The table with every model's requests answered by its default version."""
    models = table["models"].items()
    return {**table, "models": {name: {k: v for k, v in entry.items() if k != "route"} for name, entry in models}}


def status(model: Model, now: float) -> JsonObject:
    """The model for people: ``state`` of a version is also ``WAITING`` (not whole yet), ``note`` says more.

    Args:
        model: the model.
        now: monotonic seconds.
    """
    found = {f.version: f for f in model.observed.found} if model.observed else {}
    numbers = sorted({*found, *model.records}, reverse=True)
    rollout = model.state.rollout
    return {
        "name": model.name,
        "default": model.default,
        "ready": model.default is not None,
        "reason": model.reason(),
        "problem": model.observed.problem if model.observed else "",
        "source": model.settings.source,
        "held": sorted(model.state.held),
        "pinned": model.state.pin.version if model.state.pin else None,
        "labels": model.labels_wanted(),
        "rollout": None if rollout is None else {"to": rollout.target, "state": rollout.state, "over": rollout.over},
        "versions": [_version(model, v, found[v].waiting if v in found else "", now) for v in numbers],
    }


def _version(model: Model, version: int, waiting: str, now: float) -> JsonObject:
    record = model.records.get(version)
    described = model.described.get(version, {})
    kind, text = (record.error if record else None) or ("OK", "")
    return {
        "version": version,
        "state": record.state.value if record else ("WAITING" if waiting else "IDLE"),
        "default": version == model.default,
        "share": shares(model).get(version, 0.0),
        "held": version in model.state.held,
        "note": _note(model, version, waiting, now),
        "error": {"kind": kind, "message": text},
        "engine": described.get("engine"),
        "choice": described.get("choice"),
        "batching": described.get("batching"),
        "load_ms": described.get("load_ms"),
        "warm_up_ms": described.get("warm_up_ms"),
        "warm_up_requests": described.get("warm_up_requests"),
        "run_us": described.get("run_us"),
    }


def _waits_for(model: Model, version: int) -> str:
    """Why a newer version than the one that answers is not taken over; empty when nothing keeps it."""
    if model.default is None or version <= model.default:
        return ""
    wish = model.state.wish
    if wish is not None and wish.above is not None and model.state.rollout is not None:
        return f"waits for the end of the rollout of version {model.state.rollout.target}"
    return "" if model.settings.rollout.once else f"waits for a rollout: taxiway rollout start {model.name}"


def _note(model: Model, version: int, waiting: str, now: float) -> str:
    record = model.records.get(version)
    parts = ["held"] if version in model.state.held else []
    if record is None:
        waiting = waiting or ("" if parts else _waits_for(model, version))
        return ", ".join([*parts, *([waiting] if waiting else [])])
    if record.error is not None and record.state is State.START:
        wait = max(record.retry_at - now, 0.0)
        parts.append(f"attempt {record.attempts} failed, next in {wait:.0f} s: {record.error[1]}")
    elif record.error is not None and record.state is State.END:
        parts.append(f"gave up after {record.attempts} attempts: {record.error[1]}")
    elif record.state is State.AVAILABLE and version != model.default and model.kept.get(version, 0.0) > now:
        parts.append(f"kept loaded for {model.kept[version] - now:.0f} s more")
    return ", ".join(parts)
