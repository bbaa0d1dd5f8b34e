"""Requests recorded by a server, asked again of two versions by the command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taxiway
from taxiway.cli.main import main
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.replay import Replay
from taxiway.settings import recordings
from taxiway.wire.recording import Recording
from tests.journeys.conftest import put
from tests.waiting import PATIENCE_SECONDS, Crowd, eventually

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
ROWS = 3


@pytest.fixture(scope="module")
def world(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models/half`` (versions 1 and 2) and ``state``, where a server recorded 8 requests of version 1."""
    folder = tmp_path_factory.mktemp("replay")
    base = put(exported, folder / "models" / "half", 1)
    with taxiway.serve(base, state=str(folder / "state"), quiet_seconds=0.0, record_rate=1.0) as server:
        for url in (server.url, server.grpc_url):
            with taxiway.Client(url) as client:
                for number in range(4):
                    client.predict("half", np.full(ROWS, number, np.float32))
                with pytest.raises(InvalidArgument):
                    client.predict("half", {"x": np.zeros((1, 1), np.float32), "z": np.zeros(1, np.float32)})
    # Stopping completes the recording.
    assert len(list(Recording(recordings(str(folder / "state"), "half")))) == 8
    put(exported, base, 2)
    return folder


def replayed(world: Path, **changes: Any) -> Replay:
    given = {"store": world / "models", "recording": recordings(str(world / "state"), "half"), **changes}
    return taxiway.replay("half", 2, **given)


def test_versions_that_differ_are_told_apart(world: Path) -> None:
    done: list[int] = []
    found = replayed(world, progress=done.append)
    assert (found.version, found.against, found.skipped, found.unreadable) == (2, 1, 0, ())
    assert done == list(range(1, 9))
    summary = found.summary
    assert (summary.requests, summary.rows, summary.agreeing) == (8, 8 * ROWS, 0.0)
    assert (summary.largest, summary.output, summary.errors) == (1.0, "y", {2: {}, 1: {}})
    assert all(set(times) == {"p50", "p95", "p99"} for times in summary.milliseconds.values())


def test_a_tolerance_and_a_limit(world: Path) -> None:
    assert replayed(world, tolerance=1.0, limit=3).summary.agreeing == 1.0
    assert replayed(world, limit=3).summary.requests == 3


def test_half_a_record_at_the_end_loses_only_itself(world: Path, tmp_path: Path) -> None:
    [file] = recordings(str(world / "state"), "half").glob("*.tfrecord")
    cut = tmp_path / file.name
    cut.write_bytes(file.read_bytes()[:-3])
    found = replayed(world, recording=cut)
    assert found.summary.requests == 7 and "ends inside" in found.unreadable[0]


def test_what_cannot_be_replayed_is_said(world: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no version 9"):
        taxiway.replay("half", 9, store=world / "models", recording=recordings(str(world / "state"), "half"))
    with pytest.raises(InvalidArgument, match="compared with itself"):
        replayed(world, against=2)
    with pytest.raises(NotFound, match="no recorded requests"):
        replayed(world, recording=tmp_path)


@pytest.mark.parametrize("files", [{"saved_model.pb": b"nothing"}, {"model.tflite": b"nothing"}])
def test_a_version_that_does_not_load_is_named(world: Path, tmp_path: Path, files: dict[str, bytes]) -> None:
    base = tmp_path / "models" / "half"
    shutil.copytree(world / "models" / "half", base)
    (base / "3").mkdir()
    for name, data in files.items():
        (base / "3" / name).write_bytes(data)
    with pytest.raises(FailedPrecondition, match="Version 3 of half does not load"):
        replayed(world, store=tmp_path / "models", against=3)


def test_a_request_that_says_so_is_kept_out_of_the_recording(exported: Path, tmp_path: Path) -> None:
    from taxiway.replay.ask import Asker
    from taxiway.replay.door import find
    from taxiway.wire.recording import Recording

    base, state = put(exported, tmp_path / "half", 1), tmp_path / "state"
    socket: dict[str, Any] = {"grpc_socket": str(tmp_path / "g"), "grpc_port": -1}
    with taxiway.serve(base, state=str(state), record_rate=1.0, quiet_seconds=0.0, **socket) as server:
        for headers in ({}, {"x-taxiway-record": "no"}, {"x-taxiway-record": "yes"}):
            about = {"content-type": "application/json", **headers}
            request = urllib.request.Request(f"{server.url}/v1/models/half:predict", b'{"instances": [0]}', about)
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 200
    # Stopping completes the file, although the server is still held here and its versions with it.
    assert [file.name[0] for file in (state / "recordings" / "half").iterdir()] == ["h"]
    there = list(Recording(state / "recordings" / "half"))
    assert len(there) == 2
    with taxiway.serve(base, state=str(state), record_rate=1.0, quiet_seconds=0.0, **socket) as server:
        asker = Asker(find(server.settings.server, server.grpc_url), "half", 30.0)
        assert [asker.ask(one, 1).error for one in there] == [None, None]
        asker.close()
    assert len(list(Recording(state / "recordings" / "half"))) == 2


class Asking(Crowd):
    """One user, who notes which answers are wrong."""

    def __init__(self, url: str) -> None:
        self.answered, self.wrong = 0, 0
        super().__init__(lambda: self._ask(url))

    def _ask(self, url: str) -> None:
        with taxiway.Client(url) as client:
            while not self.stopping.is_set():
                self.wrong += client.predict("half", np.zeros(1, np.float32))["y"][0] != 1
                self.answered += 1


def test_a_plan_has_a_wrong_version_refused_before_any_user_sees_it(
    exported: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = put(exported, tmp_path / "half", 1)
    shutil.copytree(world / "state" / "recordings", tmp_path / "state" / "recordings")
    plan: dict[str, Any] = {"steps": [50], "step_duration": "1h", "measure": "1m", "guards": ["errors=x3,20pt"],
                            "max_duration": "10h", "replay": {"requests": 8, "max_slowdown": 10_000},
                            "wait_seconds": 200}  # fmt: skip
    settings: dict[str, Any] = {"rollout": "manual", "quiet_seconds": 0.0, "poll_seconds": 0.1}
    with (
        taxiway.serve(base, state=str(tmp_path / "state"), record_rate=1.0, **settings) as server,
        Asking(server.grpc_url) as user,
    ):
        assert server.loop.wait_until(lambda models: models["half"].state.live == 1, PATIENCE_SECONDS)
        put(exported, base, 2)
        shutil.copytree(exported / "1", tmp_path / "staged")
        (tmp_path / "staged").rename(base / "3")
        assert server.loop.wait_until(lambda models: models["half"].whole() == {1, 2, 3}, PATIENCE_SECONDS)
        with pytest.raises(FailedPrecondition, match="are recorded in .*, and the replay is to ask 100000") as refused:
            server.rollout("half", to=2, **{**plan, "replay": "requests=100000"})
        assert "requests=" in str(refused.value.hint)

        with pytest.raises(FailedPrecondition, match="version 2 was refused: 0 % agree, 98 % demanded; worst: request"):
            server.rollout("half", to=2, **plan)
        assert server.wait_default("half", 1) and server.status("half")[0]["held"] == [2]
        found = server.rollouts.status("half")
        assert (found["rule"], found["replay"]["agreement"], found["replay"]["largest"]) == ("REPLAY", 0.0, 1.0)

        status = server.rollout("half", to=3, **plan)
        assert (status["state"], status["replay"]["agreement"], status["replay"]["asked"]) == ("canary", 1.0, 8)
        assert main(["rollout", "status", "half", "--server", str(server.admin_url)]) == 0
        assert "replay: 8 of 8 recorded requests, 100 % agree" in capsys.readouterr().out
        answered = user.answered
        eventually(lambda: user.answered > answered + 20)
    assert user.wrong == 0


def test_the_command_prints_and_decides(world: Path) -> None:
    command = [sys.executable, "-m", "taxiway", "replay", "half", "--version", "2", "--store", "models"]
    read = subprocess.run([*command, "--at-least", "99"], cwd=world, capture_output=True, text=True, timeout=120)
    assert read.returncode == 1 and "0.00 % agree, and 99 % are asked for" in read.stderr
    assert "half: 8 requests, 24 rows, 2 against 1" in read.stdout and "largest difference" in read.stdout
    read = subprocess.run(
        [*command, "--tolerance", "1", "--at-least", "99", "--json"], cwd=world, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    document = json.loads(read.stdout)
    assert document["agreeing"] == 1.0 and document["same_class"] is None
