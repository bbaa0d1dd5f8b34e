"""Experiments and shadows through the whole server, with a real client that says afterwards which answers were right."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taxiway
from taxiway.drill.faults import Faults
from taxiway.errors import FailedPrecondition, NotFound
from taxiway.types import JsonObject
from tests.journeys.conftest import put
from tests.waiting import PATIENCE_SECONDS, Crowd

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow

SERVING: dict[str, Any] = {"rollout": "manual", "quiet_seconds": 0.0, "poll_seconds": 0.1}
Say = Callable[[taxiway.Client, Any, random.Random], None]


class Visitors(Crowd):
    """Users who ask over gRPC without a pause, and say of each answer what ``say`` does; ``met`` counts versions."""

    def __init__(self, url: str, model: str, inputs: Callable[[random.Random], Mapping[str, Any]], say: Say) -> None:
        self._url, self._model, self._inputs, self._say = url, model, inputs, say
        self.met: Counter[int] = Counter()
        super().__init__(*(partial(self._visit, seed) for seed in range(3)))

    def _visit(self, seed: int) -> None:
        draw, met = random.Random(seed), Counter[int]()
        with taxiway.Client(self._url, retries=0) as client:
            while not self.stopping.is_set():
                user = f"user-{draw.randrange(10**9)}"
                answer = client.predict(self._model, self._inputs(draw), routing_key=user)
                assert answer.version is not None
                met[answer.version] += 1
                # No answer is remembered before a route is there, or after it is gone.
                with contextlib.suppress(NotFound, FailedPrecondition):
                    self._say(client, answer, draw)
        self.met.update(met)


def _ended(server: Any, model: str, *states: str) -> JsonObject:
    assert server.loop.wait_until(lambda models: models[model].state.rollout.state in states, 200)
    status: JsonObject = server.rollouts.status(model)
    return status


@pytest.mark.timeout(600)
def test_the_arm_that_is_right_more_often_is_promoted_by_itself(exported: Path, tmp_path: Path) -> None:
    """Three versions, each right as often as RIGHT says; of each answer it is said whether it was."""
    right = {1: 0.6, 2: 0.9, 3: 0.6}

    def say(client: taxiway.Client, answer: Any, draw: random.Random) -> None:
        client.feedback("half", answer.request_id, value=float(draw.random() < right[answer.version]))

    base = put(exported, tmp_path / "models" / "half", 1)
    with taxiway.serve(tmp_path / "models", **SERVING) as server:
        put(exported, base, 2, 3)
        assert server.loop.wait_until(lambda models: models["half"].whole() == {1, 2, 3}, PATIENCE_SECONDS)
        visitors = Visitors(server.grpc_url, "half", lambda draw: {"x": np.array([draw.random()], np.float32)}, say)
        with visitors:
            plan: dict[str, Any] = {
                "goal": "right",
                "guards": ["errors=x10,20pt"],
                "promote": "by itself",
                # A thousand answers end it sooner; a machine with too much to do may give none within a second.
                "measure": "1m",
            }
            plan |= {"step_duration": "1s", "step_units": 100, "max_duration": "10m"}
            server.rollout("half", arms=["b=2:30", "c=3:30"], **plan)
            status = _ended(server, "half", "live", "rolled back", "failed")
        assert (status["state"], status["to"], status["because"]) == ("live", 2, "b is better"), status
        assert server.wait_default("half", 2)
        kept = [event for event in server.operator.history(100) if event["data"].get("change") == "PROMOTE"]
        assert kept[0]["who"] == "rollout"
    # A decision takes a hundred users of each arm; what three of them got last they may not have been told.
    assert all(visitors.met[version] > 90 for version in right), visitors.met


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("fault", "rules"),
    [(Faults(wrong=0.5), {"HARM"}), (Faults(errors=0.3), {"BRAKE", "HARM"})],
    ids=["answers otherwise", "fails"],
)
def test_a_version_that_is_bad_in_shadow_never_reaches_a_user(
    fault: Faults, rules: set[str], real_models: Path, digits_cases: Any, tmp_path: Path
) -> None:
    images, classes = digits_cases["image"], digits_cases["probabilities"].argmax(axis=1)

    def say(client: taxiway.Client, answer: Any, draw: random.Random) -> None:
        client.feedback("digits", answer.request_id, label=[int(each) for each in classes])

    shutil.copytree(real_models / "digits" / "1", tmp_path / "models" / "digits" / "1")
    with _serve_with_fault(tmp_path, fault) as server:
        shutil.copytree(real_models / "digits" / "1", tmp_path / ".2")
        (tmp_path / ".2").rename(tmp_path / "models" / "digits" / "2")
        assert server.loop.wait_until(lambda models: models["digits"].whole() == {1, 2}, PATIENCE_SECONDS)
        visitors = Visitors(server.grpc_url, "digits", lambda draw: {"image": images}, say)
        with visitors:
            server.rollout(
                "digits", to=2, shadow=100, steps=[50], guards=["errors=x10,20pt", "accuracy=5pt"],
                step_duration="5m", measure="1m", max_duration="1h",
            )  # fmt: skip
            status = _ended(server, "digits", "live", "canary", "rolled back", "failed")
        assert status["state"] == "rolled back" and status["rule"] in rules, status
        compared = status["shadow"]
        assert compared["compared"] > 0 and bool(compared["top1_flips"]) == bool(fault.wrong)
        assert server.status("digits")[0]["held"] == [2]
    assert set(visitors.met) == {1}


def _serve_with_fault(folder: Path, fault: Faults) -> Any:
    """A server like ``taxiway.serve``'s whose version 2 goes wrong."""
    from taxiway.rollout.controller import attach
    from taxiway.serve.api import sort_paths, start
    from taxiway.serve.server import NativeDataPlane
    from taxiway.settings import read_settings

    class Rigged(NativeDataPlane):
        def load(self, spec: JsonObject) -> Any:
            return super().load({**spec, "faults": fault.spec(1) if spec["version"] == 2 else None})

    rest = {key: SERVING[key] for key in ("quiet_seconds", "poll_seconds")}
    ports = {"rest_port": 0, "grpc_port": 0, "admin_port": -1, "state": ""}
    settings = read_settings(environ={}, server={**ports, **rest}, defaults={"rollout": SERVING["rollout"]})
    handle = start(settings, sort_paths(folder / "models"), Rigged(settings.server), rollouts=attach)
    handle.wait_settled(60)
    return handle
