"""``taxiway serve`` as a process, with a fake data plane behind it: start-up, signals, crashes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taxiway.cli.main import main
from taxiway.testing import write_saved_model

# The command with another data plane. It tells what was imported when the ports opened.
PROGRAM = """
import sys
import taxiway.serve.server as server
from taxiway.testing import FakeDataPlane

class Plane(FakeDataPlane):
    def __init__(self, settings):
        super().__init__()

    def start(self):
        heavy = {"tensorflow", "numpy", "grpc", "google.protobuf", "starlette", "uvicorn", "rich", "http.client", "ssl"}
        heavy &= set(sys.modules)
        print("heavy when the ports opened:", *sorted(heavy))
        return super().start()

server.NativeDataPlane = Plane
from taxiway.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, "serve", *arguments, "--state", str(tmp_path / "state")]
        ports = ["--rest-port", "0", "--grpc-port", "0", "--admin-port", "0"]
        process = subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in (1, 2):
        path = write_saved_model(tmp_path / "models" / "digits" / str(version))
        assert path.is_dir()
    return tmp_path / "models"


def story(process: subprocess.Popen[str]) -> list[str]:
    """What it prints until all is up; the last line is the one to copy."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("curl"):
            return lines
    raise AssertionError(f"it ended: {lines} {process.communicate()[1]}")


def admin_url(lines: list[str]) -> str:
    return next(line.split()[1] for line in lines if line.startswith("  admin"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_story_and_ends_when_asked(serve: Serve, models: Path, number: signal.Signals) -> None:
    process = serve(str(models))
    lines = story(process)
    assert [re.sub(r":\d+", ":PORT", line) for line in lines] == [
        "heavy when the ports opened:",
        "taxiway 0.1.0",
        "  REST   http://127.0.0.1:PORT",
        "  gRPC   grpc://127.0.0.1:PORT",
        "  admin  http://127.0.0.1:PORT",
        "  digits: version 2 (fake, loaded in 1 ms, 1 warm-up requests)",
        "",
        "curl http://127.0.0.1:PORT/v1/models/digits/metadata",
    ]
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert errors.endswith("stopping: finishing the requests under way\nstopped\n")
    assert "digits: version 2 answers, before None" in errors


def test_a_rollback_survives_kill_9(serve: Serve, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = serve(f"numbers={models / 'digits'}")
    assert main(["rollback", "numbers", "--server", admin_url(story(process))]) == 0
    process.kill()
    process.communicate()
    assert "  numbers: version 1 (fake, loaded in 1 ms, 1 warm-up requests)" in story(
        serve(f"numbers={models / 'digits'}")
    )
    assert "version 2 is held" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "say what to serve"),
        (["nowhere"], 1, "no such directory: nowhere"),
        (["--config", "nowhere.toml"], 1, "no such file: nowhere.toml"),
        (["{models}/digits/1"], 2, "is one version, not a model"),
        (["{models}", "--rest-port", "many"], 2, "--rest-port"),
        (["{models}", "--rest-port", "-2"], 2, "-1 is the least"),
    ],
)
def test_wrong_calls(serve: Serve, models: Path, arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-c", PROGRAM, "serve", *(one.format(models=models) for one in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert done.stderr.startswith("error: ")
