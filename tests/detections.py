"""How soon a whole server notices a bad version: python -m tests.detections --seeds 5 --nulls 20

Version 1 of ``shaky`` fails for 1 % of the inputs. A version that fails for 5 % is rolled out beside it, with an equal
share, and must be rolled back; one that fails for 1 % like the old one must not be, but in one rollout of a hundred. Clients draw their inputs from a
seed, and the controller looks after each ``BATCH`` requests, so that how fast this machine is does not matter.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import taxiway

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

MODEL = "shaky"
BAD, SAME = 4, 5
BATCH = 25
# Of both arms together: far more than a bad version takes, and what a version like the old one is watched for.
MOST_REQUESTS = 20_000
NULL_REQUESTS = 3000
PLAN: dict[str, Any] = {"steps": [50], "measure": "5s", "max_duration": "24h", "guards": ["errors"]}
_OVER = ("rolled back", "live", "failed")


@dataclass(frozen=True)
class Decision:
    """How a rollout stood when it was decided, or when enough was asked.

    Attributes:
        state: its state.
        because: what the rule that brought it there says.
        requests: of both arms.
        bad: answers of the new version that were not any.
    """

    state: str
    because: str
    requests: int
    bad: int


def serve(models: Path, folder: Path) -> ServeHandle:
    """A server whose version 1 answers, and whose other versions wait for a rollout."""
    shutil.copytree(models / MODEL / "1", folder / "models" / MODEL / "1")
    server = taxiway.serve(
        folder / "models", rollout="manual", state=str(folder / "state"), quiet_seconds=0.0, poll_seconds=0.1
    )
    server.wait_default(MODEL, 1)
    for version in (BAD, SAME):
        shutil.copytree(models / MODEL / str(version), folder / f"{version}")
        (folder / f"{version}").rename(folder / "models" / MODEL / str(version))
    assert server.loop.wait_until(lambda models: models[MODEL].whole() >= {BAD, SAME}, 30)
    return server


def decide(server: ServeHandle, to: int, seed: int, most_requests: int) -> Decision:
    """Roll a version out under a seed's traffic, over gRPC or REST in turn, until it is decided, and go back."""
    draw = random.Random(seed)
    look: Callable[[], None] = server.rollouts.look  # type: ignore[attr-defined]
    server.rollout(MODEL, to=to, wait_seconds=0, **PLAN)
    with taxiway.Client(server.grpc_url if seed % 2 else server.url) as client:
        while True:
            for _ in range(BATCH):
                client.predict(MODEL, {"x": np.array([draw.random()], np.float32)}, routing_key=f"{draw.random()}")
            look()
            status = server.rollouts.status(MODEL)
            arms = {arm["arm"]: arm for arm in status["arms"]}
            requests = sum(arms[name]["answered"] for name in ("canary", "control") if name in arms)
            if status["state"] in _OVER or requests >= most_requests:
                break
    bad = arms.get("canary", {}).get("bad", {}).get("errors", 0)
    if status["state"] == "live":
        server.rollback(MODEL)
    elif not status["over"]:
        server.rollouts.change(MODEL, "abort", "python")
    assert server.loop.wait_until(lambda models: models[MODEL].state.wish is None, 30)
    assert server.wait_default(MODEL, 1)
    return Decision(status["state"], status["because"], requests, bad)


def plausible(alarms: int, nulls: int) -> bool:
    """Whether so many false alarms in so many rollouts of equal versions happen by chance, at 1 % for each."""
    below = sum(math.comb(nulls, k) * 0.01**k * 0.99 ** (nulls - k) for k in range(alarms))
    return 1 - below > 0.001


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 1 on (5)")
    parser.add_argument("--nulls", type=int, default=5, help="how many rollouts of a version like the old one (5)")
    options = parser.parse_args()
    seeds, null_seeds = range(1, options.seeds + 1), range(1, options.nulls + 1)
    with tempfile.TemporaryDirectory(prefix="taxiway-detections-") as name:
        folder, root = Path(name), Path(__file__).parents[1]
        environment = os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.journeys.models", str(folder / "written")]
        subprocess.run(command, cwd=root, env=environment, check=True, timeout=300, capture_output=True)
        with serve(folder / "written", folder) as server:
            found = [decide(server, BAD, seed, MOST_REQUESTS) for seed in seeds]
            nulls = [decide(server, SAME, seed, NULL_REQUESTS) for seed in null_seeds]
    for title, decisions in (("1 % → 5 %", found), ("1 % → 1 %", nulls)):
        for seed, one in enumerate(decisions, 1):
            print(
                f"{title}, seed {seed}: {one.state} ({one.because}) after {one.requests} requests, {one.bad} bad ones"
            )
    if found:
        print(
            f"median until the rollback: {statistics.median(one.requests for one in found):.0f} requests of both arms"
        )
    alarms = sum(one.state == "rolled back" for one in nulls)
    print(f"false alarms: {alarms} of {len(nulls)} rollouts of an equal version")
    right = all(one.state == "rolled back" for one in found) and plausible(alarms, len(nulls))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
