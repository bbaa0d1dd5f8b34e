"""Training and tuning on a real Ray: one machine with two virtual nodes, each rank in a process that Ray places."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.train.cluster.supervise import Policy
from taxiway.train.ray_cluster import launch_on_ray
from taxiway.train.request import TrainRequest, write_request
from taxiway.tune import open_study
from tests.journeys import gates, test_tune
from tests.waiting import eventually

# Each rank imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
SECONDS = 600
PATIENT = Policy(start_seconds=500)
REQUEST: dict[str, Any] = {"epochs": 2, "global_batch": 96, "seed": 3}
SOURCES = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
HERE = {"PYTHONPATH": SOURCES, "CUDA_VISIBLE_DEVICES": "", "TF_CONFIG": "", "RAY_ADDRESS": ""}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes with a CPU each."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.virtual_nodes", "1", "1"],
        cwd=ROOT, env={**os.environ, **HERE}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, "Ray is not installed, or did not start"
    yield address
    process.stdin.close()
    assert process.wait(180) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    asked(run_dir, strategy="one-device")
    command = [sys.executable, "-m", "taxiway.train.worker", "--run-dir", str(run_dir)]
    subprocess.run(command, env={**os.environ, **HERE}, check=True, timeout=SECONDS)
    return run_dir


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of two ranks that nothing disturbed, by the command, on a cluster that it starts; and what it printed."""
    run_dir, mark = tmp_path_factory.mktemp("ray") / "run", uuid.uuid4().hex
    done = subprocess.run(
        [
            sys.executable, "-m", "taxiway", "train", "examples/digits:job", "--on", "ray", "--strategy", "multi-worker",
            "--workers", "2", "--epochs", "2", "--global-batch", "96", "--seed", "3", "--start-seconds", "500", "--run-dir", str(run_dir),
        ],
        cwd=ROOT, env={**os.environ, **HERE, "TAXIWAY_TEST_MARK": mark}, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Ray kills what it started and does not wait for all of it: a process can outlive the command by an instant.
    eventually(lambda: not marked(mark), instead=lambda: marked(mark))
    return run_dir, done.stderr


def asked(run_dir: Path, job: str = "examples/digits:job", directory: Path = ROOT, **request: Any) -> TrainRequest:
    given = TrainRequest(job=job, directory=str(directory), **{**REQUEST, **request})
    write_request(run_dir, given)
    return given


def history(run_dir: Path) -> list[dict[str, float]]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def weights(run_dir: Path) -> bytes:
    import numpy as np

    newest = max((run_dir / "checkpoints").glob("epoch-*"))
    with np.load(newest / "variables.npz") as file:
        return b"".join(file[name].tobytes() for name in sorted(file.files))


class Lines:
    """What a launch prints, and something to do once, at the first line that matches."""

    def __init__(self, at: str, then: Callable[[Lines], None]) -> None:
        self.all: list[str] = []
        self._at, self._then, self._done = re.compile(at), then, False

    def __call__(self, line: str) -> None:
        self.all.append(line)
        if not self._done and self._at.search(line):
            self._done = True
            self._then(self)

    def process(self, rank: int) -> int:
        """The process of a rank, which it says first."""
        found = [re.fullmatch(rf"\[worker {rank}\] on \S+, process (\d+)", line) for line in self.all]
        return int(next(one for one in found if one is not None)[1])


@pytest.mark.strategy("multi-worker", "same-loss", "exports")
def test_two_ranks_train_as_one_process_does(alone: Path, on_ray: tuple[Path, str]) -> None:
    run_dir, printed = on_ray
    for mine, theirs in zip(history(run_dir), history(alone), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    assert (run_dir / "model" / "saved_model.pb").is_file()
    assert "[worker 0] epoch 2/2" in printed and "[worker 1] on " in printed
    assert "ray" not in printed.lower().replace(str(run_dir).lower(), "")
    assert "epoch 2/2" in (run_dir / "logs" / "worker-0.log").read_text()
    assert not [path.name for path in run_dir.iterdir() if path.name.startswith(".")]


@pytest.mark.strategy("multi-worker", "resumes")
def test_a_killed_rank_ends_in_the_same_weights(on_ray: tuple[Path, str], cluster: str, tmp_path: Path) -> None:
    run_dir, gate = tmp_path / "run", gates.shut(tmp_path / "gates", 1, 2)
    params = {"gates": str(tmp_path / "gates")}
    request = asked(run_dir, "tests/journeys/gated_digits.py", strategy="multi-worker", workers=2, params=params)

    def kill(lines: Lines) -> None:
        os.kill(lines.process(1), signal.SIGKILL)
        gate.unlink()

    lines = Lines(r"\[worker 0\] epoch 1/2", kill)
    report = launch_on_ray(run_dir, request, address=cluster, write=lines, policy=PATIENT)
    assert report.attempts == 2
    assert any("All start again from the last checkpoint (1 of 3)." in line for line in lines.all)
    assert any(line == "[worker 0] resumes after epoch 1" for line in lines.all)
    assert weights(run_dir) == weights(on_ray[0])
    assert history(run_dir) == history(on_ray[0])


def test_too_few_cpus_are_refused_in_seconds(cluster: str, tmp_path: Path) -> None:
    request = asked(tmp_path / "run", strategy="multi-worker", workers=3)
    began = time.monotonic()
    with pytest.raises(FailedPrecondition, match=r"3 workers need 3 CPUs; the cluster has 2\."):
        launch_on_ray(tmp_path / "run", request, address=cluster, write=print, policy=PATIENT)
    assert time.monotonic() - began < PATIENT.start_seconds / 2


JOB = """
import keras, numpy as np

def build_model(params):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

def datasets(context):
    if context.rank == 1:
        raise ValueError("row 17 has no label")
    ones = np.ones((96, 1), "float32")
    return (ones, ones), None
"""


def test_a_rank_that_raises_is_named_with_its_log(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(JOB)
    request = asked(tmp_path / "run", "rows", tmp_path, strategy="multi-worker", workers=2)
    sentence = r"^worker 1 failed: rows: datasets raised: ValueError: row 17 has no label \(.*rows\.py:\d+\)\.$"
    with pytest.raises(InvalidArgument, match=sentence) as raised:
        launch_on_ray(tmp_path / "run", request, address=cluster, write=print, policy=PATIENT)
    log = tmp_path / "run" / "logs" / "worker-1.log"
    assert raised.value.hint == f"Its output is in {log}."
    assert "error: rows: datasets raised: ValueError" in log.read_text()


def test_a_study_is_completed_after_a_process_was_killed(cluster: str, tmp_path: Path) -> None:
    folder = test_tune.laid_out(tmp_path)
    process = test_tune.tuning(
        folder, "job.py", "--space", "space.toml", "--trials", "3", "--parallel", "2", "--epochs", "3", "--study-dir",
        "study", "--on", "ray", "--ray-address", cluster,
    )  # fmt: skip
    os.kill(test_tune.trapped(process, folder), signal.SIGKILL)
    code, _, printed = test_tune.ended(process)
    assert code == 0, printed
    assert re.search(r"worker \d is gone: it was killed, or its machine was lost; its trial is begun again", printed)
    study = open_study(folder / "study")
    assert test_tune.states(study) == ["complete", "complete", "complete", "lost"]
    again = next(one for one in study.trials if one.retry_of)
    assert sorted(again.epochs) == [1, 2, 3]
    eventually(lambda: [pid for pid in processes() if title_of(pid).startswith(b"ray::work_on_ray")] == [])


def processes() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdecimal()]


def environment_of(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "environ").read_bytes()
    except OSError:
        return b""


def marked(mark: str) -> dict[str, bytes]:
    """What runs with the mark in its environment: the processes and their titles."""
    return {pid: title_of(pid) for pid in processes() if mark.encode() in environment_of(pid)}


def title_of(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""
