"""A server with a fake data plane, whose requests are drawn and whose clock can be set forward."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.clock import SystemClock
from taxiway.rollout.controller import Controller, attach
from taxiway.serve.api import ServeHandle, sort_paths
from taxiway.serve.rollouts import ReplaysOf
from taxiway.settings import read_settings
from taxiway.testing import FakeDataPlane, write_saved_model
from taxiway.types import JsonObject
from tests.unit.rollout.simulated import Counting, Rates, alike
from tests.waiting import PATIENCE_SECONDS


class SkippingClock(SystemClock):
    """The machine's time, set forward when a test says so; ``passed`` sets what silence is measured with."""

    skipped = passed = 0.0

    def now(self) -> float:
        return time.time() + self.skipped

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


class CountingPlane(FakeDataPlane):
    """Counts drawn requests as the data plane counts real ones."""

    def __init__(self, clock: SkippingClock, rates: Rates = alike) -> None:
        super().__init__()
        self.clock, self.rates = clock, rates
        self.rng = np.random.default_rng(1)
        self.counting: dict[str, Counting] = {}

    def publish(self, table: JsonObject) -> None:
        super().publish(table)
        for model, entry in table["models"].items():
            route = entry.get("route")
            if route and (model not in self.counting or self.counting[model].experiment != route["experiment"]):
                self.counting[model] = Counting(route["experiment"], self.clock.now())

    def outcomes(self, model: str) -> JsonObject | None:
        return self.counting[model].document() if model in self.counting else None

    def ask(self, model: str, requests: int) -> None:
        """Answer so many requests that name no version."""
        entry: dict[str, Any] = self.table["models"][model]
        if "route" not in entry:
            return
        arms = [(arm["name"], arm["version"], arm["share_ppm"] / 1e6) for arm in entry["route"]["arms"]]
        arms.append(("stable", entry["default"], max(1 - sum(share for *_, share in arms), 0.0)))
        self.counting[model].share(arms)
        for (arm, version, _), count in zip(
            arms, self.rng.multinomial(requests, [share for *_, share in arms]), strict=True
        ):
            self.counting[model].add(self.rng, arm, version, int(count), self.rates(arm, version))


class Server:
    """A running server of one model, ``digits``."""

    def __init__(
        self,
        tmp_path: Path,
        rates: Rates = alike,
        rollout: object = "immediate",
        versions: int = 2,
        replays: ReplaysOf | None = None,
        server: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = tmp_path
        self.clock = SkippingClock()
        self.plane = CountingPlane(self.clock, rates)
        for version in range(1, versions + 1):
            self.publish(version)
        values: dict[str, Any] = {
            "admin_port": 0,
            "state": str(tmp_path / "state"),
            "quiet_seconds": 0.0,
            "poll_seconds": 0.05,
        }
        values |= server or {}
        models = {"digits": {"source": str(tmp_path / "models" / "digits"), "rollout": rollout, "keep_previous": 0}}
        read = read_settings(environ={}, server=values, models=models)
        self.handle = ServeHandle(read, sort_paths({}), self.plane, self.clock, rollouts=attach, replays=replays)
        self.handle._start()
        assert self.handle.wait_settled(PATIENCE_SECONDS)

    def publish(self, version: int) -> None:
        if not (self.root / "models" / "digits" / str(version)).exists():
            write_saved_model(self.root / "models" / "digits" / str(version))

    @property
    def controller(self) -> Controller:
        assert isinstance(self.handle.rollouts, Controller)
        return self.handle.rollouts

    def begin(self, **plan: object) -> JsonObject:
        """Begin a rollout and bring it past its measuring."""
        given = {"to": 2, "steps": [10, 50], "step_duration": "30s", "measure": "1m", **plan}
        self.controller.begin("digits", given, "ann", 0.0)
        self.controller.look()
        return self.go_on(60, until=("canary", "shadow", "failed"))

    def go_on(self, seconds: float, rps: float = 100.0, until: tuple[str, ...] = ()) -> JsonObject:
        """Let time pass with its requests, looking every five seconds."""
        status = self.controller.status("digits")
        while seconds > 0 and status["state"] not in until and not status["over"]:
            self.clock.skipped += 5
            self.plane.ask("digits", int(5 * rps))
            self.controller.look()
            seconds -= 5
            status = self.controller.status("digits")
        return status

    def states(self) -> dict[int, str]:
        return {one["version"]: one["state"] for one in self.handle.status("digits")[0]["versions"]}

    def crash(self) -> None:
        """End, and have no time to say so."""
        self.controller._leave = lambda: None  # type: ignore[method-assign]
        self.stop()

    def stop(self) -> None:
        self.handle.stop()


Begin = Callable[..., Server]
