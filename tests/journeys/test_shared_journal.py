"""Two servers with one journal in PostgreSQL: one is killed in its rollouts, and the other one, of another name, goes on."""

from __future__ import annotations

import shutil
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.postgres import cluster
from tests.waiting import Crowd, eventually

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow

GOOD, BAD = "half_plus_two", "shaky"
# A thousand answers end the measuring sooner; a machine with too much to do may give none within a second.
PLAN = {"steps": [50], "measure": "1m", "step_duration": "1s", "guards": ["errors"]}
# Longer than a process that lives may stand still on a machine with too much to do.
TAKEOVER_SECONDS = 10
# What takes so many requests, on such a machine.
PATIENCE_SECONDS = 200
_BEFORE = ("pending", "warming")


@pytest.mark.timeout(600)
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
            pod = Served(
                tmp_path / name, state=database.url(), server_name=name, takeover_seconds=f"{TAKEOVER_SECONDS}"
            )
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
                for model, version, plan in ((GOOD, 2, PLAN), (BAD, 4, {**PLAN, "step_duration": "10m"})):
                    first.ask(f"models/{model}:rollout", {"to": version, "plan": plan, "wait_seconds": 0})
                    _until(lambda model=model: _of(first, model), lambda now: now["state"] not in _BEFORE)  # type: ignore[misc]
                _until(lambda: _of(second, BAD), lambda now: now.get("state") == "canary")
                assert _of(first, GOOD)["leader"] == _of(second, BAD)["leader"] == "pod-a"
                first.kill()
                user[0] = second
                _until(
                    lambda: [_of(second, model)["leader"] for model in (GOOD, BAD)], lambda now: now == ["pod-b"] * 2
                )
                bad = _until(lambda: _of(second, BAD), lambda now: now["over"])
                assert (bad["state"], bad["rule"], bad["crashes"]) == ("rolled back", "HARM", 1)
                assert _until(lambda: _of(second, GOOD), lambda now: now["state"] == "live")["rule"] == "PROVEN"
                # Who was killed comes back to what was decided, and begins another rollout, and is killed again.
                first.start()
                assert (_of(first, BAD)["state"], _of(first, GOOD)["state"]) == ("rolled back", "live")
                first.ask(f"models/{BAD}:rollout", {"to": 4, "plan": {**PLAN, "measure": "1h"}, "wait_seconds": 0})
                _until(lambda: _of(second, BAD), lambda now: (now["leader"], now["state"]) == ("pod-a", "warming"))
                first.kill()
                assert second.ask(f"models/{BAD}:abort", {})["state"] in ("rolling back", "rolled back")
                _until(lambda: _of(second, BAD), lambda now: now["over"])
                assert _of(second, BAD)["leader"] == "pod-a", "nobody had to wait for another leader"
        finally:
            for pod in pods:
                if pod.process is not None:
                    pod.kill()


def _ask(asking: Crowd, clients: dict[Any, Any], user: list[Any]) -> None:
    """Ask both models of the server that is there, again and again."""
    first = user[0]
    from taxiway.errors import TaxiwayError

    draw = np.random.default_rng(1)
    while not asking.stopping.is_set():
        for model in (GOOD, BAD):
            try:
                # Version 4 is as good as version 1 until it is judged by the server that goes on.
                number = 0.5 + draw.random() / 2 if user[0] is first else draw.random()
                x = np.array([number], np.float32)
                clients[user[0]].predict(model, {"x": x}, routing_key=f"{draw.random()}")
            except TaxiwayError:
                asking.stopping.wait(0.001)  # refused, as planned, or the server is gone


def _of(pod: Any, model: str) -> dict[str, Any]:
    """A model's latest rollout; nothing for a pod that has not read of one yet."""
    try:
        return dict(pod.ask(f"models/{model}/rollout"))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise


def _until(look: Callable[[], Any], there: Callable[[Any], bool]) -> Any:
    """What is seen, once it is what is waited for."""
    return eventually(lambda: there(now := look()) and now, PATIENCE_SECONDS, instead=look)
