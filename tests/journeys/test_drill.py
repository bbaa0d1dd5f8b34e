"""A bad version on purpose, through a whole running server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from taxiway.drill import Faults, drill
from taxiway.errors import NotFound
from tests.journeys.conftest import put

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")


@pytest.fixture(scope="module")
def world(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models/half/1`` and ``requests``, a file of two recorded ones."""
    import numpy as np

    from taxiway.wire import messages
    from taxiway.wire.records import write_records
    from taxiway.wire.tensors import tensor_of

    folder = tmp_path_factory.mktemp("drill")
    put(exported, folder / "models" / "half", 1)
    logs = []
    for value in (1.0, 2.0):
        log = messages.PredictionLog()
        log.predict_log.request.model_spec.name = "half"
        log.predict_log.request.inputs["x"].CopyFrom(tensor_of(np.full(2, value, np.float32)))
        logs.append(log.SerializeToString())
    write_records(folder / "requests", logs)
    return folder


def test_a_version_that_fails_is_noticed_and_few_meet_it(world: Path) -> None:
    found = drill("half", Faults(errors=0.3), store=world / "models", recording=world / "requests", seed=5)
    assert found.noticed and found.state == "rolled back", found
    assert found.rule in ("HARM", "BRAKE") and found.seconds is not None and found.seconds < 60
    assert found.affected["errors"] == found.affected["all"] > 0
    # A step of 10 % at most had it; everything else was answered by the sound one.
    assert found.requests[2] < found.requests[1] / 4


def test_the_command_says_what_it_found(world: Path) -> None:
    command = [sys.executable, "-m", "taxiway", "drill", "half", "--store", "models", "--recording", "requests"]
    read = subprocess.run(
        [*command, "--fault", "errors=60%", "--json"], cwd=world, capture_output=True, text=True, timeout=200
    )
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout)["noticed"] is True
    read = subprocess.run([*command, "--fault", "errors=lots"], cwd=world, capture_output=True, text=True, timeout=60)
    assert read.returncode == 2 and "'errors=lots' is no fault" in read.stderr


def test_without_requests_there_is_no_drill(world: Path) -> None:
    with pytest.raises(NotFound, match="no requests to ask"):
        drill("half", Faults(errors=0.3), store=world / "models")
    with pytest.raises(NotFound, match="no version 7"):
        drill("half", Faults(errors=0.3), store=world / "models", version=7)
