"""What targets ask for and no scenario shows: starts, memory, batching, swaps, decoding, a second core.

Each measure is one function: it takes a folder to work in and gives a document for ``results/latest.json``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import taxiway
from bench import cases, crates, load, models, participants, process, startup, windows
from bench.participants import OURS, ROOT

_MODEL = "digits-mlp"
_STARTS = 7
_SWAP_SECONDS = 5.0
_PAIRS = 12
_PACED_CONNECTIONS = 16
_RATIO = re.compile(r"^(.+?) +\d+ bytes: decode .*ratio ([0-9.]+);", re.MULTILINE)


@dataclass(frozen=True)
class Running:
    """A server of ours that answers, and what it is asked."""

    target: load.Target
    rest: str
    still_right: Callable[[], object]


def starts(build: Path) -> dict[str, Any]:
    """Seconds to the first right answer, and memory: with both engines to choose from, and with either alone."""
    found: dict[str, Any] = {}
    for key, model, engine in (
        ("both", _MODEL, "auto"), ("tensorflow", _MODEL, "tensorflow"), ("litert", "digits-mlp-litert", "litert")
    ):  # fmt: skip
        built = models.ensure(model, build / "models")
        startup.start_once(built, build, engine=engine)  # the page cache, which a restart finds warm
        runs = [startup.start_once(built, build, engine=engine) for _ in range(_STARTS)]
        found[key] = {
            "seconds": round(statistics.median(run.seconds for run in runs), 3),
            "rss_mib": round(max(run.mib for run in runs), 1),
            "own_mib": round(max(run.own_mib for run in runs), 1),
        }
    return found


def batching(build: Path) -> dict[str, Any]:
    """64 connections over gRPC on the TensorFlow engine, with requests gathered and without."""
    found: dict[str, Any] = {}
    for key, name in (("without", "taxiway-tensorflow"), ("with", "taxiway-batching")):
        with _running(build, "grpc", name) as running:
            settled = windows.settle(lambda: load.window(running.target, 64, 2.0, build), windows.Patience())
            running.still_right()
        found[key] = _figures(settled.chosen)
    return found


def swaps(build: Path) -> dict[str, Any]:
    """p99 at half of the full rate, of windows with a swap ÷ of windows without, in turns; the median of the ratios.

    Short windows in many turns: what the machine does besides comes in bursts, and changes while this runs.
    """
    return {protocol: _swaps(build, protocol) for protocol in ("grpc", "rest")}


def _swaps(build: Path, protocol: str) -> dict[str, Any]:
    built = models.ensure(_MODEL, build / "models")
    store = build / "swaps"
    shutil.rmtree(store, ignore_errors=True)
    taxiway.publish(built.version, _MODEL, store)
    pairs = []
    with _running(build, protocol, OURS, store=store) as running:
        rate = load.window(running.target, _PACED_CONNECTIONS, 3.0, build).throughput / 2
        for pair in range(_PAIRS):
            p99 = {}
            for is_swapped in (False, True) if pair % 2 else (True, False):
                with _swapping(built.version, store) if is_swapped else nullcontext():
                    window = load.paced(running.target, _PACED_CONNECTIONS, rate, _SWAP_SECONDS, build)
                p99[is_swapped] = window.percentile(99)
            pairs.append((p99[False], p99[True]))
            served = _served(running.rest)
            if served != pair + 2:
                raise process.StartFailed(f"version {served} is served after {pair + 1} swaps")
        running.still_right()
    ratio = statistics.median(swapping / still for still, swapping in pairs)
    # A request that fails ends the run: there is none to count.
    return {"rate": round(rate), "p99_us": pairs, "p99_ratio": round(ratio, 3), "failed": 0, "swaps": served - 1}


def _served(rest: str) -> int:
    """The newest version that a server answers with."""
    with urllib.request.urlopen(f"{rest}/v1/models/{_MODEL}", timeout=5) as answer:
        versions = json.loads(answer.read())["model_version_status"]
    return max(int(one["version"]) for one in versions if one["state"] == "AVAILABLE")


@contextmanager
def _swapping(version: Path, store: Path) -> Iterator[None]:
    """Publish the version anew when some of the window is over, so that its load ends within it."""
    timer = threading.Timer(_SWAP_SECONDS / 4, taxiway.publish, (version, _MODEL, store))
    timer.start()
    try:
        yield
    finally:
        timer.join()


def decoding(build: Path) -> dict[str, Any]:
    """The time to make a tensor of 784 numbers in JSON, as a part of that of orjson and numpy; the worst of several."""
    program = crates.built(["-p", "taxiway-server", "--example", "json_speed"], "examples/json_speed")
    python = participants.ensure_environment("tensorflow", build / "venvs") / "bin" / "python"
    script = ROOT / "crates" / "taxiway-server" / "examples" / "json_speed.py"
    argv = [str(python), str(script), str(program)]
    printed = subprocess.run(
        load.pinned(argv, process.SERVER_CORE), check=True, capture_output=True, text=True, timeout=300
    )
    ratios = {name: float(ratio) for name, ratio in _RATIO.findall(printed.stdout)}
    return {"ratios": ratios, "worst": max(ratios.values())}


def cores(build: Path) -> dict[str, Any]:
    """Requests a second on two cores beside one, the load from a third."""
    count = os.cpu_count() or 1
    if count < 3:
        return {"not_measured": f"it needs three cores, two for the server and one for the load; here are {count}"}
    found: dict[str, Any] = {}
    for key, core in (("one", "0"), ("two", "0,2")):
        with _running(build, "grpc", OURS, core=core) as running:
            settled = windows.settle(lambda: load.window(running.target, 32, 2.0, build), windows.Patience())
        found[key] = _figures(settled.chosen)
    return found


@contextmanager
def _running(
    build: Path, protocol: str, name: str, *, store: Path | None = None, core: str = process.SERVER_CORE
) -> Iterator[Running]:
    built = models.ensure(_MODEL, build / "models")
    case, path = cases.make(built, protocol, 1), cases.route(built)
    grpc_port, rest_port = process.free_ports(2)
    address = f"127.0.0.1:{grpc_port if protocol == 'grpc' else rest_port}"
    values = {"python": sys.executable, "store": str(store or built.store), "grpc": str(grpc_port)}
    values |= {
        "rest": str(rest_port),
        "model": built.name,
        "version": str(built.version),
        "peers": str(participants.PEERS),
    }
    peer = participants.load_all()[name]
    argv = load.pinned(peer.argv(values), core)
    with process.Process(argv, build / "logs" / f"measure-{name}.log", participants.environment_variables()) as server:
        server.wait_until(lambda: cases.answers(case, address, path), peer.ready_seconds)
        answer = cases.ask(case, address, path)
        is_grpc = protocol == "grpc"
        body = build / f"measure.{protocol}.body"
        body.write_bytes(load.framed(case.body) if is_grpc else case.body)
        url = f"http://{address}{cases.GRPC_METHOD if is_grpc else path}"
        target = load.Target(url, protocol, body, len(answer))
        yield Running(target, f"http://127.0.0.1:{rest_port}", lambda: cases.ask(case, address, path))


def _figures(window: windows.Window) -> dict[str, float]:
    return {
        "requests_per_second": round(window.throughput, 1),
        "p50_us": window.percentile(50),
        "p95_us": window.percentile(95),
        "p99_us": window.percentile(99),
    }


MEASURES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "starts": starts, "batching": batching, "swaps": swaps, "decoding": decoding, "cores": cores
}  # fmt: skip
