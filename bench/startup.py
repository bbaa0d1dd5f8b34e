"""How soon ``taxiway serve`` answers, and what it weighs: ``python -m bench.startup``.

From the start of the process to its first right answer, as a caller sees it, for a SavedModel on the TensorFlow engine
and for a ``model.tflite`` on LiteRT. Also that Python imports no TensorFlow on the way.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import cases, models, participants, process
from bench.participants import OURS, ROOT

_RUNTIMES = ("/tensorflow/", "/ai_edge_litert/")
_HEAVY = re.compile(r"\|\s*((?:tensorflow|keras|ai_edge_litert|jax|torch)(?:\.\S+)?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Aim:
    """What is started, and what it must keep to."""

    title: str
    model: str
    engine: str
    seconds: float
    mib: float


AIMS = (
    Aim("TensorFlow engine", "digits-mlp", "tensorflow", 1.5, 380),
    Aim("LiteRT only", "digits-mlp-litert", "litert", 0.5, 90),
)


@dataclass(frozen=True)
class Started:
    """One start: seconds to the first right answer and processor seconds until then, MiB resident, those of them that
    are no file of a runtime's, heavy imports.
    """

    seconds: float
    cpu_seconds: float
    mib: float
    own_mib: float
    imported: tuple[str, ...]


def heavy_imports(trace: str) -> tuple[str, ...]:
    """The machine-learning packages in a trace of ``python -X importtime``."""
    return tuple(dict.fromkeys(name.partition(".")[0] for name in _HEAVY.findall(trace)))


def start_once(built: models.Built, build: Path, trace_imports: bool = False, engine: str = "auto") -> Started:
    """Start a server with one model, wait for its first right answer, and stop it."""
    case = cases.make(built, "rest", 1)
    grpc_port, rest_port = process.free_ports(2)
    values = {"python": sys.executable, "store": str(built.store), "grpc": str(grpc_port), "rest": str(rest_port)}
    ours = participants.load_all()[OURS]
    argv = ours.argv({**values, "peers": "", "model": built.name, "version": str(built.version)})
    argv += ["--engine", engine]
    if trace_imports:
        argv[1:1] = ["-X", "importtime"]
    log = build / "logs" / f"startup-{built.name}.log"
    address = f"127.0.0.1:{rest_port}"
    with process.Process(argv, log, participants.environment_variables()) as server:
        seconds = server.wait_until(lambda: cases.answers(case, address, cases.route(built)), ours.ready_seconds)
        cpu_seconds, mib = server.cpu_seconds(), server.rss_mib()
        own_mib = mib - process.mapped_mib(server.pid, _RUNTIMES)
    return Started(seconds, cpu_seconds, mib, own_mib, heavy_imports(log.read_text()) if trace_imports else ())


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 1 when an aim was missed or TensorFlow was imported."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench")
    arguments = parser.parse_args(argv)
    build = arguments.build.absolute()
    good = True
    print(f"{'':<19}{'first answer: median':>20}{'fastest':>9}{'aim':>8}{'CPU':>9}{'memory':>9}{'aim':>9}   imports")
    for aim in AIMS:
        built = models.ensure(aim.model, build / "models")
        start_once(built, build, engine=aim.engine)  # the page cache, which a restart finds warm
        runs = [start_once(built, build, engine=aim.engine) for _ in range(arguments.runs)]
        imported = start_once(built, build, trace_imports=True, engine=aim.engine).imported
        seconds = statistics.median(run.seconds for run in runs)
        mib = max(run.mib for run in runs)
        good = good and seconds <= aim.seconds and mib <= aim.mib and not imported
        print(
            f"{aim.title:<19}{seconds:>18.2f} s{min(run.seconds for run in runs):>7.2f} s{aim.seconds:>6.1f} s"
            f"{statistics.median(run.cpu_seconds for run in runs):>7.2f} s{mib:>5.0f} MiB{aim.mib:>5.0f} MiB"
            f"   {', '.join(imported) or 'no TensorFlow'}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
