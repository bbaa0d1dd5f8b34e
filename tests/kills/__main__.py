"""Kills a server at seeded points of rollouts: python -m tests.kills --points 100 --seed 1

Exit code 1, with what was wrong, at the first point where something was lost or is not what the journal says.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.points import Killer, Tally
from tests.kills.served import MODEL, ROOT, Served, Users


def run(models: Path, folder: Path, points: int, seed: int) -> Tally:
    """Kill a server of ``models`` so many times; ``folder`` takes its files."""
    shutil.copytree(models / MODEL, folder / "models" / MODEL)
    served = Served(folder)
    served.start()
    killer = Killer(served, seed)
    try:
        with Users(served.rest) as users:
            for number in range(points):
                try:
                    killer.point()
                except AssertionError as error:
                    raise AssertionError(f"point {number} of seed {seed}: {error}\n{served.log()}") from error
        assert users.wrong == [], users.wrong[:5]
        assert users.answered > 0
    finally:
        served.kill()
    return killer.tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100, help="how many kills (100)")
    parser.add_argument("--seed", type=int, default=1, help="what moments and commands are drawn from (1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taxiway-kills-") as name:
        folder, began = Path(name), time.monotonic()
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.journeys.models", str(folder / "written")]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300, capture_output=True)
        try:
            tally = run(folder / "written", folder, options.points, options.seed)
        except AssertionError as error:
            print(f"FAILED {error}")
            return 1
    print(
        f"{tally.points} kills in {time.monotonic() - began:.0f} s, seed {options.seed}: nothing lost, nothing changed"
    )
    print(f"states killed in: {dict(tally.states)}; commands: {dict(tally.commands)}")
    print(f"{tally.events} events; {tally.same_table} times the same route led the same users again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
