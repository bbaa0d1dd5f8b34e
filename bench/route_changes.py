"""Change a model's route a hundred times a second under load: ``python -m bench.route_changes``.

Windows with changes and windows without take turns in one run, over REST and gRPC, so that what else the machine does
falls on both. A request that fails ends the run; the ratio of the p99s is what the changes cost. The server is a data
plane on a core of its own, in a process that also makes the changes.

Full load is a closed loop of four connections: the core is never idle, and a change holds up whoever waits. Half load
is half of the requests that a second of full load answered, at a steady rate over sixteen connections.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import load, process
from bench.load import Target
from bench.participants import ROOT
from bench.windows import Window
from taxiway.serve.server import NativeDataPlane, load_spec
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.types import JsonObject
from taxiway.wire import message

MODEL = "half_plus_two"
A_SECOND = 100
_START_SECONDS = 60
LOADS = ("full", "half")
_HALF_CONNECTIONS = 16


@dataclass(frozen=True)
class Pair:
    """Two windows, one after the other: without changes, and with so many."""

    still: Window
    changing: Window
    changes: int


def ratio(pairs: Sequence[Pair], percent: float = 99) -> float:
    """How many times as long the percentile is with changes; the median over the pairs."""
    return statistics.median(pair.changing.percentile(percent) / pair.still.percentile(percent) for pair in pairs)


def route(change: int) -> JsonObject | None:
    """The route after so many changes: arms that grow, and each tenth time none."""
    if change % 10 == 0:
        return None
    share_ppm = 5000 * (change % 100)
    arms = [{"name": "canary", "version": 2, "share_ppm": share_ppm}]
    arms.append({"name": "control", "version": 1, "share_ppm": share_ppm})
    return {"experiment": "changes", "salt": "salt", "key": {"header": "x-routing-key"}, "slow_us": {}, "arms": arms}


class Changer:
    """Publishes tables of a data plane, a hundred a second while it is on."""

    def __init__(self, plane: NativeDataPlane, ids: dict[int, int]) -> None:
        self._plane, self._ids = plane, ids
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.changes = 0

    def publish(self) -> None:
        """The next table."""
        self.changes += 1
        entry = {
            "default": 1, "versions": {str(version): number for version, number in self._ids.items()}, "labels": {},
            "ready": True, "reason": "", "statuses": [], "route": route(self.changes),
        }  # fmt: skip
        self._plane.publish({"models": {MODEL: entry}, "labels_used": False, "ready": True, "reason": ""})

    def begin(self) -> None:
        """On."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Off."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.publish()
            due += 1 / A_SECOND


def serve(models: Path) -> None:
    """Serve both versions; ``begin`` and ``end`` on standard input turn the changes on and off, its end ends all."""
    settings = ServerSettings(rest_port=0, grpc_port=0, io_threads=1, compute_threads=1)
    plane = NativeDataPlane(settings)
    addresses = plane.start()
    spec = load_spec(settings)
    # Kept until the end: a version leaves with the last reference to it.
    loaded = {
        version: plane.load(spec(MODEL, version, str(models / MODEL / str(version)), ModelSettings(source="")))
        for version in (1, 2)
    }
    changer = Changer(plane, {version: one.id for version, one in loaded.items()})
    changer.publish()
    print(json.dumps(addresses), flush=True)
    for line in sys.stdin:
        changer.begin() if line.strip() == "begin" else changer.end()
        print(changer.changes, flush=True)
    changer.end()
    plane.stop(5)


class Server:
    """The process of :func:`serve`, and how to turn its changes on and off."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running
        self.addresses: dict[str, str] = json.loads(self._answer())

    def tell(self, what: str) -> int:
        """``begin`` or ``end``; how many changes there were so far."""
        assert self._running.stdin is not None
        print(what, file=self._running.stdin, flush=True)
        return int(self._answer())

    def _answer(self) -> str:
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        if not line:
            raise process.StartFailed(f"the server ended with {self._running.wait(_START_SECONDS)}")
        return line


@contextmanager
def running(models: Path) -> Iterator[Server]:
    """A server of the models, which ends with the block."""
    argv = load.pinned([sys.executable, "-m", "bench.route_changes", "--serve", str(models)], process.SERVER_CORE)
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Server(child)
        finally:
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def targets(addresses: dict[str, str], folder: Path) -> dict[str, Target]:
    """What is asked over each protocol, its bodies written to ``folder``."""
    import grpc

    (folder / "rest.json").write_text('{"instances": [1.0]}')
    request: Any = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = MODEL
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(1.0)
    body = request.SerializeToString()
    (folder / "grpc.bin").write_bytes(load.framed(body))
    method = "/tensorflow.serving.PredictionService/Predict"
    with grpc.insecure_channel(addresses["grpc"]) as channel:
        # Both versions' answers are of one length.
        answer_bytes = len(channel.unary_unary(method, bytes, bytes)(body, timeout=10))
    url = f"http://{addresses['rest']}/v1/models/{MODEL}:predict"
    with urllib.request.urlopen(url, (folder / "rest.json").read_bytes(), timeout=10) as answer:
        text_bytes = len(answer.read())
    return {
        "rest": Target(url, "rest", folder / "rest.json", text_bytes),
        "grpc": Target(f"http://{addresses['grpc']}{method}", "grpc", folder / "grpc.bin", answer_bytes),
    }


def measure(server: Server, one: Callable[[], Window], pairs: int) -> list[Pair]:
    """So many pairs of the window ``one``, every second one in the other order.

    Raises:
        LoadFailed: a request failed.
    """

    def window(changing: bool) -> tuple[Window, int]:
        before = server.tell("begin") if changing else 0
        found = one()
        return found, server.tell("end") - before if changing else 0

    done = []
    for number in range(pairs):
        found = {changing: window(changing) for changing in ((False, True) if number % 2 else (True, False))}
        done.append(Pair(found[False][0], *found[True]))
    return done


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.route_changes", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of windows for each protocol (5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each window (3)")
    parser.add_argument("--load", choices=(*LOADS, "both"), default="both", help="full, half or both (both)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "route-changes")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.serve is not None:
        serve(arguments.serve)
        return 0
    build = arguments.build.absolute()
    if not (build / "models" / MODEL / "2").exists():
        build.mkdir(parents=True, exist_ok=True)
        paths = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-m", "tests.journeys.models", str(build / "models")]
        subprocess.run(command, cwd=ROOT, env=paths, check=True)
    try:
        with running(build / "models") as server:
            loads = LOADS if arguments.load == "both" else (arguments.load,)
            for protocol, target in targets(server.addresses, build).items():
                for how, one in windows(target, loads, arguments.seconds, build):
                    pairs = measure(server, one, arguments.pairs)
                    print("\n".join(lines(f"{protocol}, {how} load", pairs)), flush=True)
    except load.LoadFailed as error:
        print(f"FAILED {error}")
        return 1
    return 0


def windows(
    target: Target, loads: Sequence[str], seconds: float, scratch: Path
) -> Iterator[tuple[str, Callable[[], Window]]]:
    """How to measure a window of each load."""
    if "full" in loads:
        yield "full", lambda: load.window(target, 4, seconds, scratch)
    if "half" in loads:
        most = load.window(target, 4, seconds, scratch).throughput
        yield "half", lambda: load.paced(target, _HALF_CONNECTIONS, most / 2, seconds, scratch)


def lines(what: str, pairs: Sequence[Pair]) -> list[str]:
    """The pairs and what they come to, for people."""
    rows = []
    for pair in pairs:
        p99_ms = [window.percentile(99) / 1000 for window in (pair.still, pair.changing)]
        rows.append(
            f"{what}: p99 {p99_ms[0]:.2f} ms without, {p99_ms[1]:.2f} ms with {pair.changes} changes; "
            f"{pair.still.throughput:,.0f} and {pair.changing.throughput:,.0f} requests a second"
        )
    requests = sum(pair.still.requests + pair.changing.requests for pair in pairs)
    changes, seconds = sum(pair.changes for pair in pairs), sum(pair.changing.seconds for pair in pairs)
    rows.append(
        f"{what}: p99 × {ratio(pairs):.2f}, p50 × {ratio(pairs, 50):.2f} (medians of {len(pairs)} pairs); "
        f"{requests:,} requests, 0 failed; {changes:,} changes in {seconds:.1f} s of load"
    )
    return rows


if __name__ == "__main__":
    sys.exit(main())
