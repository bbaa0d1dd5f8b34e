"""Training with real processes: the same result on one device or two workers, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taxiway.train.cluster.ports import free_addresses
from taxiway.train.request import TrainRequest, write_request

# Each process imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
SECONDS = 280


def asked(run_dir: Path, **request: Any) -> Path:
    given: dict[str, Any] = {"epochs": 2, "global_batch": 96, "seed": 3, **request}
    write_request(run_dir, TrainRequest(job="examples/digits:job", directory=str(ROOT), **given))
    return run_dir


def started(run_dir: Path, tf_config: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "taxiway.train.worker", "--run-dir", str(run_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "TF_CONFIG": tf_config, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(*processes: subprocess.Popen[str]) -> None:
    try:
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, out + err
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def history(run_dir: Path) -> list[dict[str, float]]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def weights(run_dir: Path) -> bytes:
    import numpy as np

    newest = max((run_dir / "checkpoints").glob("epoch-*"))
    with np.load(newest / "variables.npz") as file:
        return b"".join(file[name].tobytes() for name in sorted(file.files))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = asked(tmp_path_factory.mktemp("alone") / "run", strategy="one-device")
    finished(started(run_dir))
    return run_dir


@pytest.mark.strategy("one-device", "exports")
def test_a_run_is_finished_with_a_model_and_its_record(alone: Path) -> None:
    record = json.loads((alone / "run.json").read_text())
    assert record["status"] == "finished" and record["data"]["of"] == "every row"
    assert (alone / "model" / "saved_model.pb").is_file()


@pytest.mark.strategy("multi-worker", "same-loss", "exports")
def test_two_workers_train_as_one_process_does(alone: Path, tmp_path: Path) -> None:
    run_dir = asked(tmp_path / "run", strategy="multi-worker", workers=2)
    cluster = {"worker": list(free_addresses(2))}
    tasks = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": n}}) for n in range(2)]
    finished(*(started(run_dir, task) for task in tasks))
    for mine, theirs in zip(history(run_dir), history(alone), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    assert (run_dir / "model" / "saved_model.pb").is_file()


@pytest.mark.strategy("one-device", "resumes")
def test_a_killed_run_ends_in_the_same_weights(alone: Path, tmp_path: Path) -> None:
    run_dir = asked(tmp_path / "run", strategy="one-device")
    process = started(run_dir)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert line.startswith("epoch 1/2") and len(history(run_dir)) == 1
    finished(started(run_dir))
    assert weights(run_dir) == weights(alone)
    assert history(run_dir) == history(alone)


@pytest.mark.strategy("mirrored", "devices")
def test_a_device_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    process = started(asked(tmp_path / "run", strategy="mirrored", devices=("GPU:0", "GPU:1")))
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and "error: There is no device GPU:0, GPU:1." in err
