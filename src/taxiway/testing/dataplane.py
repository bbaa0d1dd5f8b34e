"""A data plane without a network: it keeps tables and counts leases, and its loads fail when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.types import JsonObject

__all__ = ["FakeDataPlane", "FakeVersion", "no_outcomes"]


_COUNTS = (
    "assigned",
    "keyless",
    "units",
    "served_units",
    "answered",
    "judged",
    "closed",
    "labelled",
    "labelled_units",
)
_QUANTILES = ("p50", "p90", "p95", "p99", "p999")


class FakeVersion:
    """A version in no memory. ``held_by`` is how many requests hold it."""

    def __init__(self, number: int, spec: JsonObject) -> None:
        self._id = number
        self.spec = spec
        self.held_by = 0
        self.released = False
        self.published: Callable[[], bool] = lambda: False

    @property
    def id(self) -> int:
        """What a table calls it."""
        return self._id

    def describe(self) -> JsonObject:
        """A description."""
        name, version = self.spec["name"], self.spec["version"]
        return {
            "id": self.id,
            "name": name,
            "version": version,
            "engine": "fake",
            "choice": None,
            "batching": None,
            "load_ms": 1.0,
            "warm_up_ms": 0.5,
            "warm_up_requests": 1,
            "run_us": 10.0,
            "signatures": {},
        }

    def leases(self) -> int:
        """Requests that hold it, and the table when it is in it."""
        return self.held_by + int(self.published())

    def release(self, timeout_seconds: float) -> bool:
        """Give it up.

        Raises:
            AssertionError: a request can still be led to it, or it was given up before.
        """
        assert not self.published(), f"{self.spec['name']}:{self.spec['version']} is released while it is published"
        assert not self.released, "released twice"
        self.released = True
        return self.held_by == 0


class FakeDataPlane:
    """Keeps every table in ``tables``. ``fail`` maps (model, version) to the errors of its next loads, first first."""

    def __init__(self) -> None:
        self.tables: list[JsonObject] = []
        self.versions: dict[int, FakeVersion] = {}
        self.specs: list[JsonObject] = []
        self.fail: dict[tuple[str, int], list[Exception]] = {}
        self.on_publish: Callable[[JsonObject], None] = lambda table: None
        self.stopped = False
        self.seen: dict[str, JsonObject] = {}
        self.reload: Callable[[bytes], bytes] | None = None

    @property
    def table(self) -> JsonObject:
        """What is served."""
        return self.tables[-1] if self.tables else {"models": {}}

    def default(self, model: str) -> int | None:
        """The version that answers."""
        entry: dict[str, Any] = self.table["models"].get(model, {})
        return entry.get("default")

    def serving(self, model: str) -> list[int]:
        """The versions that can be asked for."""
        return sorted(map(int, self.table["models"].get(model, {}).get("versions", {})))

    def start(self) -> JsonObject:
        """Open nothing."""
        return {"rest": "127.0.0.1:1", "grpc": "127.0.0.1:2"}

    def load(self, spec: JsonObject) -> FakeVersion:
        """Load nothing, or fail as told."""
        self.specs.append(spec)
        failures = self.fail.get((spec["name"], spec["version"]), [])
        if failures:
            raise failures.pop(0)
        version = FakeVersion(len(self.versions) + 1, spec)
        version.published = lambda: any(
            version.id in entry["versions"].values() for entry in self.table["models"].values()
        )
        self.versions[version.id] = version
        return version

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        """Keep the handler as ``reload``."""
        self.reload = handler

    def publish(self, table: JsonObject) -> None:
        """Check and keep a table."""
        for name, entry in table["models"].items():
            for number in entry["versions"].values():
                if number not in self.versions or self.versions[number].released:
                    raise InvalidArgument(f"{name} names a version that is not loaded: {number}")
            if entry["default"] is not None and str(entry["default"]) not in entry["versions"]:
                raise TaxiwayError(f"the default of {name} is not among its versions", kind="INVALID_ARGUMENT")
            _check_route(name, entry)
        self.tables.append(table)
        self.on_publish(table)

    def outcomes(self, model: str) -> JsonObject | None:
        """What a test put into ``seen``; what :func:`no_outcomes` says for a route that was published, else None."""
        for table in reversed(self.tables):
            route = table["models"].get(model, {}).get("route")
            if route is not None and model not in self.seen:
                return no_outcomes(model, route, table["models"][model]["default"])
        return self.seen.get(model)

    def counter(self, name: str) -> int:
        """The loads that were asked for, when ``name`` is ``loads``."""
        return len(self.specs) if name == "loads" else 0

    def stats(self) -> JsonObject:
        """No traffic."""
        return {"connections": 0, "requests_total": 0, "requests_in_flight": 0, "queued": 0}

    def stop(self, drain_seconds: float) -> bool:
        """Stop."""
        self.stopped = True
        return True


def no_outcomes(model: str, route: JsonObject, default: int) -> JsonObject:
    """The document of an experiment that no request has reached: every count is 0. A test changes what it needs."""
    taken = sum(arm["share_ppm"] for arm in route["arms"])
    stable = {"name": "stable", "version": default, "share_ppm": 1_000_000 - taken}
    arms = [*route["arms"], stable]
    return {
        "model": model,
        "experiment": route["experiment"],
        "began_unix_ms": 0,
        "slow_us": dict(route["slow_us"]),
        "arms": [_nobody(arm, route) for arm in arms],
        "phases": [
            {
                "number": 0,
                "arms": [{**_nothing(arm, route), "share_ppm": arm["share_ppm"]} for arm in arms],
            }
        ],
        "phases_forgotten": 0,
        "shadows": [],
        "paired": {},
    }


def _nothing(arm: JsonObject, route: JsonObject) -> JsonObject:
    counts = dict.fromkeys(_COUNTS, 0)
    bad = {kind: dict.fromkeys(("errors", *route["slow_us"]), 0) for kind in ("bad", "bad_answers")}
    return {"arm": arm["name"], "version": arm["version"], **counts, **bad}


def _nobody(arm: JsonObject, route: JsonObject) -> JsonObject:
    latency = {"count": 0, "sum_us": 0, "buckets": [], "quantiles_us": dict.fromkeys(_QUANTILES)}
    return {
        **_nothing(arm, route),
        "units_ever": 0,
        "codes": {},
        "nan": 0,
        "right": 0,
        "wrong": 0,
        "goal": {"count": 0, "origin": None, "sum": 0.0, "sum_squares": 0.0},
        "recent": {"bad": 0, "answers": 0, "bad_ever": 0},
        "latency": latency,
    }


def _check_route(name: str, entry: JsonObject) -> None:
    """What the real one refuses first."""
    route = entry.get("route")
    if route is None:
        return
    arms = route["arms"]
    if sum(arm["share_ppm"] for arm in arms) > 1_000_000:
        raise InvalidArgument(f'model "{name}": its route gives its arms more than 100 %')
    for arm in arms:
        if str(arm["version"]) not in entry["versions"]:
            raise InvalidArgument(
                f'model "{name}": its route leads arm "{arm["name"]}" to version {arm["version"]}, which is not served'
            )
