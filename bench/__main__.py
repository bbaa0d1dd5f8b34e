"""``python -m bench``: measure and write the report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bench import load, measures, report, run, scenario, stamp
from bench.participants import ROOT

Part: TypeAlias = "scenario.Scenario | Callable[[Path], dict[str, Any]]"
_HINT = "apt-get install wrk nghttp2-client util-linux"


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when every scenario was measured, 2 when the call or the machine was wrong."""
    known: dict[str, Part] = {**scenario.load_all(), **measures.MEASURES}
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(known)}; all when none")
    parser.add_argument("--smoke", action="store_true", help="seconds, Taxiway alone: does it run, is it right")
    parser.add_argument("--resume", action="store_true", help="leave out what the results have of this commit already")
    parser.add_argument("--no-engine-floor", action="store_true", help="do not measure the bare engine")
    parser.add_argument(
        "--results", type=Path, help="where to write; default bench/results, build/bench/smoke with --smoke"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench", help="models, environments, logs")
    arguments = parser.parse_args(argv)
    unknown = sorted(set(arguments.parts) - set(known))
    missing = load.missing_tools()
    if unknown or missing:
        what = f"no part {', '.join(unknown)}" if unknown else f"{', '.join(missing)} not on PATH"
        print(f"error: {what}\nhint: {', '.join(known) if unknown else _HINT}", file=sys.stderr)
        return 2
    build = arguments.build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    effort = run.SMOKE if arguments.smoke else run.FULL
    if arguments.no_engine_floor:
        effort = run.Effort(effort.patience, effort.window_seconds, effort.peers, engine_floor=False)
    folder = arguments.results or (build / "smoke" if arguments.smoke else report.RESULTS)
    environment = stamp.environment()
    done = report.measured_at(environment["commit"], folder) if arguments.resume else set()
    for name in arguments.parts or _all(known, arguments.smoke):
        if name not in done:
            # Written as soon as it is there: a run that is ended has what it measured, and --resume goes on.
            report.merge(_measured(known[name], effort, build, environment), folder)
    print(f"wrote {os.path.relpath(folder / 'REPORT.md')}")
    return 0


def _all(known: Mapping[str, Part], smoke: bool) -> list[str]:
    return [name for name, one in known.items() if not smoke or (isinstance(one, scenario.Scenario) and one.smoke)]


def _measured(part: Part, effort: run.Effort, build: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The document of one part."""
    of = {"date": environment["date"], "commit": environment["commit"], "load average before": stamp.load_average()}
    document: dict[str, Any] = {"environment": environment, "scenarios": [], "measures": {}}
    if isinstance(part, scenario.Scenario):
        document["scenarios"] = [{**run.scenario(part, effort, build), "measured": of}]
    else:
        run.say(f"{part.__name__} …")
        document["measures"] = {part.__name__: {**part(build), "measured": of}}
    return document


if __name__ == "__main__":
    sys.exit(main())
