"""Two servers with one journal in PostgreSQL: one is killed in its rollouts, and the other one, of another name, goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.postgres import cluster
from tests.waiting import Crowd, eventually

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow

GOOD, BAD = "half_plus_two", "shaky"
PLAN = {"steps": [50], "measure": "1s", "step_duration": "1s", "guards": ["errors"]}


@pytest.mark.timeout(300)
def test_another_server_judges_on_and_ends_what_a_killed_one_began(real_models: Path, tmp_path: Path) -> None:
    import taxiway
    from tests.kills.served import Served

    for name, version in ((GOOD, 1), (BAD, 1)):
        shutil.copytree(real_models / name / str(version), tmp_path / "models" / name / str(version))
    with cluster() as database:
        config = "".join(
            f'[models.{name}]\nsource = "{tmp_path / "models" / name}"\nrollout = "manual"\n' for name in (GOOD, BAD)
        )
        pods = []
        for name in ("pod-a", "pod-b"):
            (tmp_path / name).mkdir()
            pod = Served(tmp_path / name, state=database.url(), server_name=name, takeover_seconds="2")
            (tmp_path / name / "taxiway.toml").write_text(config)
            pods.append(pod)
        first, second = pods
        user = [first]
        asking = Crowd(
            lambda: _ask(asking, {pod: taxiway.Client(f"http://127.0.0.1:{pod.rest}") for pod in pods}, user)
        )
        try:
            for pod in pods:
                pod.start()
            for name, version in ((GOOD, 2), (BAD, 4)):
                shutil.copytree(real_models / name / str(version), tmp_path / f"{name}-new")
                (tmp_path / f"{name}-new").rename(tmp_path / "models" / name / str(version))
            with asking:
                for model, version in ((GOOD, 2), (BAD, 4)):
                    first.ask(f"models/{model}:rollout", {"to": version, "plan": PLAN, "wait_seconds": 20})
                assert _of(first, GOOD)["leader"] == _of(second, BAD)["leader"] == "pod-a"
                first.kill()
                user[0] = second
                eventually(lambda: {_of(second, model)["leader"] for model in (GOOD, BAD)} == {"pod-b"})
                bad = eventually(lambda: (now := _of(second, BAD))["over"] and now)
                assert (bad["state"], bad["rule"], bad["crashes"]) == ("rolled back", "HARM", 1)
                assert eventually(lambda: (now := _of(second, GOOD))["state"] == "live" and now)["rule"] == "PROVEN"
                # Who was killed comes back to what was decided, and begins another rollout, and is killed again.
                first.start()
                assert (_of(first, BAD)["state"], _of(first, GOOD)["state"]) == ("rolled back", "live")
                first.ask(f"models/{BAD}:rollout", {"to": 4, "plan": {**PLAN, "measure": "1h"}, "wait_seconds": 0})
                eventually(lambda: _of(second, BAD)["leader"] == "pod-a" and _of(second, BAD)["state"] == "warming")
                first.kill()
                assert second.ask(f"models/{BAD}:abort", {})["state"] == "rolling back"
                assert eventually(lambda: _of(second, BAD)["over"])
                assert _of(second, BAD)["leader"] == "pod-a", "nobody had to wait for another leader"
        finally:
            for pod in pods:
                if pod.process is not None:
                    pod.kill()


def _ask(asking: Crowd, clients: dict[Any, Any], user: list[Any]) -> None:
    """Ask both models of the server that is there, again and again."""
    from taxiway.errors import TaxiwayError

    draw = np.random.default_rng(1)
    while not asking.stopping.is_set():
        for model in (GOOD, BAD):
            try:
                x = np.array([draw.random()], np.float32)
                clients[user[0]].predict(model, {"x": x}, routing_key=f"{draw.random()}")
            except TaxiwayError:
                asking.stopping.wait(0.001)  # refused, as planned, or the server is gone


def _of(pod: Any, model: str) -> dict[str, Any]:
    """A model's latest rollout."""
    return dict(pod.ask(f"models/{model}/rollout"))
