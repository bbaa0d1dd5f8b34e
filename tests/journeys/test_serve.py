"""A model's life on a server: it comes, is replaced under load, is put back, and survives a crash.

Through the compiled data plane and TensorFlow's library, as people run it.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import taxiway
from taxiway.cli.main import main
from tests.waiting import Crowd

pytestmark = pytest.mark.timeout(300)

MAKE_MODELS = """
import sys
import tensorflow as tf

for version in (1, 2):
    module = tf.Module()
    module.add = tf.Variable(float(version))
    spec = tf.TensorSpec([None], tf.float32, "x")
    compute = tf.function(lambda x: {"y": x * 0.5 + module.add}, input_signature=[spec])
    tf.saved_model.save(module, f"{sys.argv[1]}/{version}", signatures={"serving_default": compute})
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of x / 2 + version. Made in a process of their own: this one must not import TensorFlow."""
    assert importlib.util.find_spec("taxiway._server"), "the data plane is not built: run make build"
    path = tmp_path_factory.mktemp("made")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([sys.executable, "-c", MAKE_MODELS, str(path)], check=True, env=environment, capture_output=True)
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "1", tmp_path / "models" / "half" / "1")
    return tmp_path / "models"


def publish(made: Path, store: Path, version: int) -> None:
    """Copy beside, then rename."""
    shutil.copytree(made / str(version), store / "half" / f".{version}")
    (store / "half" / f".{version}").rename(store / "half" / str(version))


class Asker:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)

    def ask(self, path: str = "/v1/models/half:predict", body: Any = None) -> tuple[int, Any, int]:
        """Status, document, and the version that answered (0 when none did)."""
        body = {"instances": [2.0, 4.0]} if body is None else body
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read()), int(answer.headers.get("x-taxiway-version", 0))

    def get(self, path: str) -> int:
        """Status alone."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        self._connection.close()


class Load(Crowd):
    """Threads that ask without a pause and count what they got."""

    def __init__(self, url: str, threads: int = 3) -> None:
        self._url = url
        self.seen: Counter[tuple[int, int]] = Counter()
        self.wrong: list[Any] = []
        super().__init__(*[self._run] * threads)

    def _run(self) -> None:
        asker = Asker(self._url)
        while not self.stopping.is_set():
            try:
                status, document, version = asker.ask()
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(error)
                continue
            if status != 200 or document["predictions"] != [1.0 + version, 2.0 + version]:
                self.wrong.append((status, document, version))
            self.seen[status, version] += 1
        asker.close()


def test_a_new_version_takes_over_under_load_and_is_put_back(made: Path, store: Path) -> None:
    with taxiway.serve(store, quiet_seconds=0.2, poll_seconds=0.1) as server:
        server.wait_ready(60)
        with Load(server.url) as load:
            publish(made, store, 2)
            assert server.wait_default("half", 2, 60)
            done = server.rollback("half")
            assert (done["from"], done["to"], done["done"]) == (2, 1, True)
        assert load.wrong == []
        assert sum(load.seen.values()) > 0
        asker = Asker(server.url)
        assert asker.ask()[2] == 1
        assert asker.ask("/v1/models/half/versions/2:predict")[2] == 2, "the version before is kept loaded"
        assert asker.ask("/v1/models/none:predict")[0] == 404
        assert asker.get("/readyz") == 200
        asker.close()
        assert [one["state"] for one in server.status("half")[0]["versions"]] == ["AVAILABLE", "AVAILABLE"]


def test_a_broken_version_leaves_the_old_one_serving(store: Path) -> None:
    with taxiway.serve(store, quiet_seconds=0.2, poll_seconds=0.1, load_attempts=1) as server:
        server.wait_ready(60)
        broken = store / "half" / "2"
        broken.mkdir()
        (broken / "saved_model.pb").write_bytes(b"\x08\x01\x12\x02\x08\x01")
        assert server.loop.wait_until(lambda models: models["half"].records.get(2, None) is not None
                                      and models["half"].records[2].error is not None, 60)  # fmt: skip
        asker = Asker(server.url)
        assert asker.ask()[::2] == (200, 1)
        asker.close()
        assert "gave up after 1 attempts" in server.status("half")[0]["versions"][0]["note"]


class Command:
    """``taxiway serve`` as a process; ``lines`` is its story."""

    def __init__(self, store: Path, state: Path, *python: str) -> None:
        ports = ["--rest-port", "0", "--grpc-port", "0", "--admin-port", "0", "--state", str(state)]
        self.errors = state.parent / "errors"
        with self.errors.open("w") as errors:  # the process keeps a handle of its own
            self.process = subprocess.Popen(
                [sys.executable, *python, "-m", "taxiway", "serve", str(store), *ports],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith("curl"):
                break

    def url(self, title: str) -> str:
        return next(line.split()[1] for line in self.lines if line.startswith(title))


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    started: list[Command] = []
    yield started
    for command in started:
        command.process.kill()
        command.process.communicate()


def test_kill_9_and_back(
    made: Path, store: Path, tmp_path: Path, commands: list[Command], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "2", store / "half" / "2")
    first = Command(store, tmp_path / "state")
    commands.append(first)
    assert main(["rollback", "half", "--server", first.url("admin")]) == 0
    assert capsys.readouterr().out == "half: version 1 answers, version 2 is held\n"
    first.process.kill()
    first.process.wait()
    second = Command(store, tmp_path / "state")
    commands.append(second)
    asker = Asker(second.url("REST"))
    assert asker.ask()[::2] == (200, 1)
    asker.close()
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(60) == 0
    assert second.errors.read_text().endswith("stopped\n")


def test_python_imports_no_tensorflow(store: Path, tmp_path: Path, commands: list[Command]) -> None:
    command = Command(store, tmp_path / "state", "-X", "importtime")
    commands.append(command)
    command.process.send_signal(signal.SIGTERM)
    assert command.process.wait(60) == 0
    imported = set(re.findall(r"\|\s*([\w.]+)$", command.errors.read_text(), re.MULTILINE))
    assert "taxiway._server" in imported
    assert not {name.partition(".")[0] for name in imported} & {
        "tensorflow",
        "keras",
        "ai_edge_litert",
        "numpy",
        "grpc",
    }
