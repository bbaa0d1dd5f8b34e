"""``python -m bench``: measure and write the report."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench import load, report, run, scenario, stamp
from bench.participants import ROOT

_HINT = "apt-get install wrk nghttp2-client util-linux"


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when every scenario was measured, 2 when the call or the machine was wrong."""
    known = scenario.load_all()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"any of {', '.join(known)}; all when none")
    parser.add_argument("--smoke", action="store_true", help="seconds, Taxiway alone: does it run, is it right")
    parser.add_argument("--no-engine-floor", action="store_true", help="do not measure the bare engine")
    parser.add_argument(
        "--results", type=Path, help="where to write; default bench/results, build/bench/smoke with --smoke"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench", help="models, environments, logs")
    arguments = parser.parse_args(argv)
    unknown = sorted(set(arguments.scenarios) - set(known))
    missing = load.missing_tools()
    if unknown or missing:
        what = f"no scenario {', '.join(unknown)}" if unknown else f"{', '.join(missing)} not on PATH"
        print(f"error: {what}\nhint: {', '.join(known) if unknown else _HINT}", file=sys.stderr)
        return 2
    build = arguments.build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    effort = run.SMOKE if arguments.smoke else run.FULL
    if arguments.no_engine_floor:
        effort = run.Effort(effort.patience, effort.window_seconds, effort.peers, engine_floor=False)
    environment = stamp.environment()
    measured = [run.scenario(known[name], effort, build) for name in arguments.scenarios or known]
    folder = arguments.results or (build / "smoke" if arguments.smoke else report.RESULTS)
    report.write({"environment": environment, "scenarios": measured}, folder)
    print(f"wrote {os.path.relpath(folder / 'REPORT.md')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
