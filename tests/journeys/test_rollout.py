"""A new version through the whole server: a good one is promoted, a bad one goes back by itself, nobody sees a failure."""

from __future__ import annotations

import http.client
import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import taxiway
from taxiway.types import JsonObject
from tests.waiting import PATIENCE_SECONDS, Crowd

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow

PLAN: dict[str, Any] = {
    "steps": [20, 50],
    "step_duration": "1s",
    "step_units": 50,
    # A thousand answers end it sooner; a machine with too much to do may give none within a second.
    "measure": "1m",
    "max_duration": "10m",
    "guards": ["errors=x3,2pt"],
}


class People(Crowd):
    """Users who ask without a pause, each over one connection and with a key of its own for each visit."""

    def __init__(self, url: str, count: int = 3) -> None:
        self._address = urlsplit(url).netloc
        self.answered, self.failed = 0, 0
        super().__init__(*(partial(self._ask, seed) for seed in range(count)))

    def _ask(self, seed: int) -> None:
        draw = random.Random(seed)
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while not self.stopping.is_set():
            headers = {"x-routing-key": f"user-{draw.randrange(10**9)}"}
            connection.request("POST", "/v1/models/shaky:predict", json.dumps({"instances": [draw.random()]}), headers)
            answer = connection.getresponse()
            answer.read()
            self.answered += 1
            self.failed += answer.status != 200
        connection.close()


@pytest.fixture
def store(real_models: Path, tmp_path: Path) -> Path:
    shutil.copytree(real_models / "shaky" / "1", tmp_path / "models" / "shaky" / "1")
    return tmp_path / "models"


@pytest.fixture
def server(store: Path, tmp_path: Path) -> Iterator[Any]:
    with _serve(store, tmp_path) as server:
        yield server


def _serve(store: Path, tmp_path: Path) -> Any:
    state = str(tmp_path / "state")
    return taxiway.serve(store, rollout="manual", state=state, quiet_seconds=0.0, poll_seconds=0.1)


def publish(real_models: Path, store: Path, server: Any, version: int) -> None:
    shutil.copytree(real_models / "shaky" / str(version), store / "shaky" / f".{version}")
    (store / "shaky" / f".{version}").rename(store / "shaky" / str(version))
    assert server.loop.wait_until(lambda models: version in models["shaky"].whole(), PATIENCE_SECONDS)


def brought(server: Any, to: int, *ends: str) -> JsonObject:
    """The rollout when it has come to one of these ends."""
    server.rollout("shaky", to=to, **PLAN)
    assert server.loop.wait_until(lambda models: models["shaky"].state.rollout.state in ends, 200)
    status: JsonObject = server.rollouts.status("shaky")
    return status


@pytest.mark.timeout(600)
def test_a_bad_version_goes_back_and_a_good_one_is_promoted(
    real_models: Path, store: Path, tmp_path: Path, server: Any
) -> None:
    with People(server.url) as people:
        publish(real_models, store, server, 3)
        assert server.status("shaky")[0]["default"] == 1  # it waits for its rollout
        status = brought(server, 3, "rolled back", "live")
        assert (status["state"], status["rule"], status["because"]) == ("rolled back", "HARM", "errors")
        arms = {arm["arm"]: arm for arm in status["arms"] if arm["version"] in (1, 3)}
        assert arms["canary"]["version"] == 3
        assert arms["canary"]["bad"]["errors"] < 400
        assert server.status("shaky")[0]["held"] == [3]

        publish(real_models, store, server, 2)
        status = brought(server, 2, "rolled back", "live")
        assert status["state"] == "live", status
        assert server.status("shaky")[0]["default"] == 2

        loaded = set(server.stats()["leases"])
        done = server.rollback("shaky")
        assert (done["from"], done["to"], done["done"]) == (2, 1, True)
        assert set(server.stats()["leases"]) <= loaded  # it was there still: nothing had to be loaded
        answered = people.answered
        assert server.wait_default("shaky", 1)
    assert people.answered >= answered > 1000 and people.failed == 0
    kinds = [event["kind"] for event in server.operator.history(1000)]
    assert kinds.count("rollout-started") == 2 and kinds[0] == "rollback"
    server.stop()
    with _serve(store, tmp_path) as again:
        assert again.status("shaky")[0]["default"] == 1
        assert again.rollouts.status("shaky")["because"] == "rollback by python"
