"""A server killed with -9 at random points of a rollout comes back to the same state; see ``tests/kills``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.kills.served import Served

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow


@pytest.mark.timeout(600)
def test_a_server_that_is_killed_in_a_rollout_is_what_its_journal_says(real_models: Path, tmp_path: Path) -> None:
    from tests.kills.__main__ import run

    tally = run(real_models, tmp_path, points=3, seed=1)
    assert tally.points == 3 and tally.events > 3


@pytest.mark.timeout(600)
def test_a_canary_whose_process_is_killed_again_and_again_is_rolled_back(real_models: Path, tmp_path: Path) -> None:
    from tests.kills.served import MODEL, Served, Users

    shutil.copytree(real_models / MODEL, tmp_path / "models" / MODEL)
    served = Served(tmp_path)
    served.start()
    try:
        with Users(served.rest, 1):
            plan = {"steps": [50], "step_duration": "10m", "measure": "1m", "guards": ["errors"], "max_crashes": 2}
            source = int(served.status()["default"])
            served.ask(f"models/{MODEL}:rollout", {"to": 3 - source, "plan": plan, "wait_seconds": 0})
            for end, crashes in ((served.stop, 0), (served.kill, 1), (served.kill, 2)):
                eventually(lambda: served.led(4) and (served.rollout() or {})["state"] == "canary", 200)
                end()
                served.start()
                rollout = served.rollout()
                assert rollout is not None and rollout["crashes"] == crashes
            rollout = eventually(lambda: (now := served.rollout()) and now["over"] and now)
            assert (rollout["state"], rollout["rule"]) == ("rolled back", "CRASHED")
            status = served.status()
            assert (status["default"], status["held"]) == (source, [3 - source])
            eventually(lambda: serving(served) == [source], instead=lambda: serving(served))
    finally:
        served.kill()


def serving(served: Served) -> list[int]:
    """The versions that answer requests."""
    return [one["version"] for one in served.status()["versions"] if one["state"] == "AVAILABLE"]
