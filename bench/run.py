"""One scenario, measured: every participant in turn, alone on its core."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cases, floors, load, models, participants, process, report, windows
from bench.participants import OURS, Participant
from bench.scenario import Scenario
from taxiway.wire.saved_model import LITERT_FILE

# What ``taxiway serve`` prints of a version that it serves.
_ENGINE = re.compile(r": version \d+ \((\w+), loaded")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        patience: when windows are believed.
        window_seconds: length of a window; None: as the scenario says.
        peers: whether the peers are measured.
        engine_floor: whether the bare engine is measured (needs a release build).
    """

    patience: windows.Patience
    window_seconds: float | None
    peers: bool
    engine_floor: bool


FULL = Effort(windows.Patience(), None, peers=True, engine_floor=True)
SMOKE = Effort(windows.Patience(least=1, most=1, agreeing=1), 0.3, peers=False, engine_floor=False)


def scenario(one: Scenario, effort: Effort, build: Path) -> dict[str, Any]:
    """Measure a scenario.

    Returns:
        The document that ``results/latest.json`` keeps for it, in seconds, microseconds and MiB.

    Raises:
        bench.cases.WrongAnswer, bench.load.LoadFailed, bench.process.StartFailed: the run does not count.
    """
    built = models.ensure(one.model, build / "models")
    known = participants.load_all()
    wanted = [known[name] for name in (OURS, *(one.peers if effort.peers else ()))]
    measured, left_out = [], []
    document: dict[str, Any] = {"name": one.name, "title": one.title, "model": one.model, "protocol": one.protocol}
    for participant in wanted:
        python = participants.interpreter(participant, build)
        if python is None:
            left_out.append({"name": participant.name, "why": f"{participant.program} is not on PATH"})
            continue
        measured.append(_Session(one, participant, built, effort, build).run(python))
    floor: dict[str, Any] = measured[0].pop("transport")
    if effort.engine_floor:
        say(f"{one.name}: the bare engines")
        names = ("tensorflow", "litert") if (built.version / LITERT_FILE).is_file() else ("tensorflow",)
        found = {name: floors.engine(built, one.rows, one.window_seconds, name) for name in names}
        chosen = str(measured[0].get("engine"))
        floor |= {"engine": found.get(chosen, found["tensorflow"]), "engines": found}
    return {**document, "rows": one.rows, "participants": measured, "left_out": left_out, "floors": floor}


@dataclass(frozen=True)
class _Session:
    """One participant of one scenario."""

    scenario: Scenario
    participant: Participant
    built: models.Built
    effort: Effort
    build: Path

    def run(self, python: str) -> dict[str, Any]:
        """Start it, hold it to its answers, load it, hold it to its answers again, stop it."""
        case = cases.make(self.built, self.scenario.protocol, self.scenario.rows, self.participant.form)
        path = cases.route(self.built, self.participant.form)
        grpc_port, rest_port = process.free_ports(2)
        address = f"127.0.0.1:{grpc_port if self.scenario.protocol == 'grpc' else rest_port}"
        argv = self.participant.argv(self._values(python, grpc_port, rest_port))
        log = self.build / "logs" / f"{self.scenario.name}-{self.participant.name}.log"
        environment = participants.environment_variables()
        with process.Process(load.pinned(argv, process.SERVER_CORE), log, environment) as server:
            ready = server.wait_until(lambda: cases.answers(case, address, path), self.participant.ready_seconds)
            target = self._target(case, address, path)
            document = {
                "name": self.participant.name,
                "title": self.participant.title,
                "ready_seconds": round(ready, 3),
                "loads": [self._load(target, connections, "") for connections in self.scenario.connections],
            }
            cases.ask(case, address, path)
            document["rss_mib"] = round(server.rss_mib(), 1)
            if engine := _ENGINE.search(log.read_text(errors="replace")):
                document["engine"] = engine[1]
            if self.participant.name == OURS:
                document["transport"] = self._floors(floors.transport(self.built, target, address, self.build))
        return document

    def _floors(self, targets: dict[str, load.Target]) -> dict[str, Any]:
        """What our own server makes of requests that run no model."""
        return {
            key: [self._load(target, count, f", {report.FLOORS[key][0]}") for count in self.scenario.connections]
            for key, target in targets.items()
        }

    def _values(self, python: str, grpc_port: int, rest_port: int) -> dict[str, str]:
        return {
            "python": python,
            "peers": str(participants.PEERS),
            "model": self.built.name,
            "store": str(self.built.store),
            "version": str(self.built.version),
            "grpc": str(grpc_port),
            "rest": str(rest_port),
        }

    def _target(self, case: cases.Case, address: str, path: str) -> load.Target:
        answer = cases.ask(case, address, path)
        grpc = case.protocol == "grpc"
        body = self.build / f"{self.scenario.name}.{case.form}.body"
        body.write_bytes(load.framed(case.body) if grpc else case.body)
        return load.Target(f"http://{address}{cases.GRPC_METHOD if grpc else path}", case.protocol, body, len(answer))

    def _load(self, target: load.Target, connections: int, what: str) -> dict[str, Any]:
        seconds = self.effort.window_seconds or self.scenario.window_seconds
        settled = windows.settle(lambda: load.window(target, connections, seconds, self.build), self.effort.patience)
        figures = summary(settled.chosen)
        say(
            f"{self.scenario.name}: {self.participant.title}{what}, {connections} connections: "
            f"{figures['requests_per_second']:,.0f} requests/s, p95 {figures['p95_us'] / 1000:.2f} ms"
        )
        return {
            "connections": connections,
            **figures,
            "agreed": settled.agreed,
            "windows": [summary(one) for one in settled.windows],
            "histograms": [sorted(windows.coarse(one.histogram).items()) for one in settled.windows],
        }


def summary(window: windows.Window) -> dict[str, float]:
    """The figures of one window, in requests, seconds and microseconds."""
    return {
        "requests": window.requests,
        "seconds": round(window.seconds, 3),
        "requests_per_second": round(window.throughput, 1),
        "p50_us": window.percentile(50),
        "p95_us": window.percentile(95),
        "p99_us": window.percentile(99),
        "max_us": window.percentile(100),
    }


def say(line: str) -> None:
    """Progress, for people, on stderr."""
    print(f"bench: {line}", file=sys.stderr, flush=True)
