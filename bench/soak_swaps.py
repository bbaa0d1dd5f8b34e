"""Swap versions under load, many times: ``python -m bench.soak_swaps --swaps 200``.

Two models of the digits example take turns as the next version while threads keep asking over REST and gRPC, each
answer held to the version it names. Afterwards no request may have failed, no lease may be held on a version that is
gone, and memory must be flat.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import taxiway
from bench import participants, process
from bench.participants import ROOT
from examples.digits.asking import Asked, Askers, Cases, percentile

MODEL = "digits"
# The allocator and the caches of the engine fill during the first swaps; flat means flat from there on.
_SETTLING_SWAPS = 10
_GROWTH_MIB = 40.0
# The store is looked at ten times a second, so that a swap takes no longer than its load.
_SETTINGS = {"TAXIWAY_POLL_SECONDS": "0.1"}
_LEASES = re.compile(rf'^taxiway_leases\{{model="{MODEL}",version="(\d+)"\}} (\d+)$', re.MULTILINE)


@dataclass(frozen=True)
class Swap:
    """One version that took over: when it was published and when everyone was answered by it, and the memory then."""

    version: int
    published: float
    arrived: float
    rss_mib: float


@dataclass(frozen=True)
class Outcome:
    """What a soak found.

    Attributes:
        swaps: every swap, in order.
        asked: every request.
        leases: held on versions that should be gone, by version; empty when none leaked.
        loaded: the versions in memory at the end; the latest and the one before it, kept for a rollback.
    """

    swaps: tuple[Swap, ...]
    asked: tuple[Asked, ...]
    leases: dict[int, int]
    loaded: tuple[int, ...]

    @property
    def problems(self) -> list[str]:
        """What was wrong with the requests."""
        return [one.problem for one in self.asked if one.problem]

    @property
    def growth_mib(self) -> float:
        """Median memory of the last swaps minus that after the first ones; 0 when there were too few to tell."""
        settled = [swap.rss_mib for swap in self.swaps[_SETTLING_SWAPS:]]
        part = max(1, len(settled) // 5)
        return float(np.median(settled[-part:]) - np.median(settled[:part])) if len(settled) > 1 else 0.0


def train(folder: Path) -> None:
    """Two models and their answers: version 1 in ``folder/first``, the other in ``folder/candidate``."""
    if (folder / "cases.npz").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    places = ["--store", str(folder / "first"), "--candidate", str(folder / "candidate")]
    argv = [sys.executable, "-m", "examples.digits.train", *places, "--cases", str(folder / "cases.npz")]
    with (folder / "training.log").open("w") as log:
        subprocess.run(argv, cwd=ROOT, check=True, stdout=log, stderr=log)


def soak(trained: Path, work: Path, swaps: int, threads: int = 4) -> Outcome:
    """Serve version 1, ask from ``threads`` threads, and publish ``swaps`` more versions, each when the last arrived.

    Raises:
        RuntimeError: a version did not take over within half a minute.
    """
    store = work / "models"
    shutil.rmtree(work, ignore_errors=True)
    models = (trained / "first" / MODEL / "1", trained / "candidate")
    taxiway.publish(models[0], MODEL, store=store)
    cases = _cases(trained / "cases.npz", swaps + 1)
    grpc_port, rest_port = process.free_ports(2)
    urls = (f"http://127.0.0.1:{rest_port}", f"grpc://127.0.0.1:{grpc_port}")
    argv = [sys.executable, "-m", "taxiway", "serve", str(store)]
    argv += ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
    with process.Process(argv, work / "server.log", {**participants.environment_variables(), **_SETTINGS}) as server:
        server.wait_until(lambda: _answers(urls[0]), 30)
        askers = Askers([urls[index % 2] for index in range(threads)], cases)
        askers.start()
        try:
            done = tuple(_swap(models[index % 2], store, askers, server) for index in range(1, swaps + 1))
        finally:
            askers.stop()
        leases = _settled_leases(urls[0], kept={swaps, swaps + 1})
    leaked = {version: count for version, count in leases.items() if version not in {swaps, swaps + 1}}
    return Outcome(done, tuple(askers.asked()), leaked, tuple(sorted(leases)))


def _cases(path: Path, versions: int) -> Cases:
    with np.load(path) as kept:
        answers = (kept["first"], kept["better"])
        by_version = {version: answers[(version - 1) % 2] for version in range(1, versions + 1)}
        return Cases(kept["images"], kept["labels"], by_version)


def _answers(url: str) -> bool:
    with taxiway.Client(url) as client:
        try:
            client.predict(MODEL, {"image": np.zeros((1, 8, 8), np.float32)})
        except taxiway.errors.TaxiwayError:
            return False
    return True


def leases_of(page: str) -> dict[int, int]:
    """The leases of each loaded version, from the text of ``/metrics``."""
    return {int(version): int(count) for version, count in _LEASES.findall(page)}


def _settled_leases(url: str, kept: set[int]) -> dict[int, int]:
    """The leases once only the versions to keep are loaded, or after ten seconds: an unload takes a moment."""
    deadline = time.perf_counter() + 10
    while True:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as response:
            leases = leases_of(response.read().decode())
        if set(leases) <= kept or time.perf_counter() > deadline:
            return leases
        time.sleep(0.1)


def _swap(model: Path, store: Path, askers: Askers, server: process.Process) -> Swap:
    published = time.perf_counter()
    version = taxiway.publish(model, MODEL, store=store).version
    arrived = askers.wait_for(version, 30)
    if arrived is None:
        raise RuntimeError(f"version {version} did not take over:\n{server.tail()}")
    return Swap(version, published, arrived, server.rss_mib())


def table(outcome: Outcome, rows: int = 10) -> list[str]:
    """The soak in at most ``rows`` rows of consecutive swaps."""
    lines = [
        f"{'swaps':>10}{'requests':>11}{'failed':>8}{'p50':>10}{'p99':>10}{'max':>10}{'take-over':>12}{'memory':>12}"
    ]
    size = max(1, -(-len(outcome.swaps) // rows))
    for start in range(0, len(outcome.swaps), size):
        part = outcome.swaps[start : start + size]
        end = outcome.swaps[start + size].published if start + size < len(outcome.swaps) else float("inf")
        asked = [one for one in outcome.asked if part[0].published <= one.answered < end]
        taken = [one.milliseconds for one in asked]
        latencies = "".join(f"{percentile(taken, percent):>7.1f} ms" for percent in (50, 99, 100))
        failed = sum(one.problem is not None for one in asked)
        took = float(np.median([swap.arrived - swap.published for swap in part]))
        lines.append(
            f"{f'{start + 1}-{start + len(part)}':>10}{len(asked):>11,}{failed:>8}{latencies}{took:>10.2f} s"
            f"{part[-1].rss_mib:>8.0f} MiB"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and print; 1 when a request failed, a lease leaked or memory grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak_swaps", description=__doc__)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "soak")
    arguments = parser.parse_args(argv)
    build = arguments.build.absolute()
    train(build / "trained")
    outcome = soak(build / "trained", build / "work", arguments.swaps)
    print("\n".join(table(outcome)))
    flat = outcome.growth_mib <= _GROWTH_MIB
    print(
        f"{len(outcome.asked):,} requests, {len(outcome.problems)} failed; {len(outcome.swaps)} swaps; "
        f"leases left: {outcome.leases or 'none'}; loaded: {', '.join(map(str, outcome.loaded))}; "
        f"memory grew by {outcome.growth_mib:.0f} MiB after the first {_SETTLING_SWAPS} swaps"
    )
    for problem in outcome.problems[:5]:
        print(f"  {problem}")
    return 0 if not outcome.problems and not outcome.leases and flat else 1


if __name__ == "__main__":
    sys.exit(main())
