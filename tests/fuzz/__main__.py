"""Fuzzes REST and gRPC of a running taxiway-model-server: python -m tests.fuzz --requests 100000 --seed 1

Exit code 1 when a server error was not meant (``meant.py``), an answer was not as described, a request got no answer,
or the server did not survive. The same seed makes the same requests.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import aimed, calls, described, frames
from tests.fuzz.tally import Failure, Tally
from tests.fuzz.target import ROOT, Target

# More than what allocators keep of the largest requests.
MOST_GROWTH_MIB = 256
Phase = Callable[[Target, int, int, Tally], None]
# what, how many of a thousand requests
PHASES: tuple[tuple[str, Phase, int], ...] = (
    ("REST as described (schemathesis)", described.fuzz, 200),
    ("REST nearly right", aimed.fuzz, 250),
    ("noise over HTTP/1.1", aimed.fuzz_bytes, 30),
    ("gRPC, filled messages", calls.fuzz, 380),
    ("gRPC, spoilt bytes", calls.fuzz_bytes, 100),
    ("gRPC, spoilt frames", frames.fuzz, 40),
)


@dataclass(frozen=True)
class Report:
    """What a run came to."""

    seed: int
    requests: int
    seconds: float
    memory_before_mib: float
    memory_after_mib: float
    rows: list[tuple[str, int, str]]
    failures: list[Failure]

    @property
    def passed(self) -> bool:
        return not self.failures


def write_models(folder: Path) -> Path:
    """Write the models in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "tests.fuzz.models", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=900, capture_output=True)
    return folder


def run(folder: Path, requests: int, seed: int, tell: Callable[[str], None]) -> Report:
    """Fuzz a server of its own with about so many requests; ``folder`` takes models and logs."""
    tally, began = Tally(), time.monotonic()
    target = Target(write_models(folder / "models"), folder)
    try:
        target.wait()
        if not target.answers_right():
            raise RuntimeError("the server answers wrongly before anything was fuzzed")
        before = after = target.memory_mib()
        planned = 0
        for what, fuzz, share in PHASES:
            start, planned = tally.requests, planned + requests * share // 1000
            # What the phase before left over of its share goes to this one.
            fuzz(target, max(1, planned - start), seed, tally)
            tell(
                f"{what}: {tally.requests - start} requests, {time.monotonic() - began:.0f} s, {len(tally.failures)} failures"
            )
            if not target.alive():
                tally.wrong("the server", f"ended in “{what}”", lambda: target.log.read_text()[-2000:])
                break
            after = target.memory_mib()
        else:
            if not target.answers_right():
                tally.wrong("the server", "answers wrongly after the run", lambda: "")
            if after - before > MOST_GROWTH_MIB:
                tally.wrong("the server", f"grew from {before:.0f} to {after:.0f} MiB", lambda: "")
    finally:
        code = target.end()
    if code != 0:
        tally.wrong("the server", f"ended with exit code {code}", lambda: target.log.read_text()[-2000:])
    return Report(seed, tally.requests, time.monotonic() - began, before, after, tally.rows(), tally.failures)


def show(report: Report) -> None:
    """Print a report for people."""
    width = max(len(operation) for operation, _, _ in report.rows)
    for operation, count, statuses in report.rows:
        print(f"{operation:{width}}  {count:6d}  {statuses}")
    for failure in report.failures:
        print(f"\nFAILED {failure.operation}: {failure.what[:1500]}\n    {failure.reproducer[:1500]}")
    print(
        f"\n{report.requests} requests in {report.seconds:.0f} s, seed {report.seed}, {len(report.failures)} failures; "
        f"memory {report.memory_before_mib:.0f} MiB before, {report.memory_after_mib:.0f} MiB after"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz REST and gRPC of a server.")
    parser.add_argument("--requests", type=int, default=100_000, help="about how many (100000)")
    parser.add_argument("--seed", type=int, default=1, help="what the requests are made from (1)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taxiway-fuzz-") as folder:
        report = run(Path(folder), options.requests, options.seed, lambda line: print(line, file=sys.stderr))
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        show(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
