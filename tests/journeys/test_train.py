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

from taxiway.train.request import TrainRequest, write_request
from tests.journeys import gates

# Each process imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
SECONDS = 280


def asked(run_dir: Path, job: str = "examples/digits:job", **request: Any) -> Path:
    given: dict[str, Any] = {"epochs": 2, "global_batch": 96, "seed": 3, **request}
    write_request(run_dir, TrainRequest(job=job, directory=str(ROOT), **given))
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
    """A run of two epochs, trained by the command as one types it."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    argv = ["train", "examples/digits:job", "--strategy", "one-device", "--epochs", "2", "--global-batch", "96"]
    done = subprocess.run(
        [sys.executable, "-m", "taxiway", *argv, "--seed", "3", "--profile", "2:3", "--run-dir", str(run_dir)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epoch 2/2  loss " in done.stderr and f"report {run_dir / 'report.html'}" in done.stdout
    assert not set("\x1b\b\r") & set(done.stdout + done.stderr)
    return run_dir


def points(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads: (epoch, value) of each line."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for part in ("train", "validation"):
        events = EventAccumulator(str(run_dir / "tensorboard" / part), {"tensors": 0}).Reload()
        for tag in set(events.Tags()["tensors"]) - {"parameters"}:
            found[f"{part}/{tag}"] = [(one.step, float(make_ndarray(one.tensor_proto))) for one in events.Tensors(tag)]
    return found


def lines(run_dir: Path) -> dict[str, list[tuple[int, Any]]]:
    """What TensorBoard should read."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for entry in history(run_dir):
        for name, value in entry.items():
            if name != "epoch":
                part = "validation" if name.startswith("val_") else "train"
                line = found.setdefault(f"{part}/{name.removeprefix('val_')}", [])
                line.append((int(entry["epoch"]), pytest.approx(value, rel=1e-6)))
    return found


@pytest.mark.strategy("one-device", "exports")
def test_a_run_is_finished_with_a_model_and_its_record(alone: Path) -> None:
    record = json.loads((alone / "run.json").read_text())
    assert record["status"] == "finished" and record["data"]["of"] == "every row"
    assert (alone / "model" / "saved_model.pb").is_file()


def test_a_run_has_curves_and_a_report_that_says_its_metrics(alone: Path) -> None:
    last = history(alone)[-1]
    page, curves = (alone / "report.html").read_text(), (alone / "curves.svg").read_text()
    assert all(f"{last[name]:.4g}" in page for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    assert "<svg" in page and "2 of 2 epochs" in page and f"taxiway publish {alone} digits" in page
    assert all(f">{name}</text>" in curves for name in ("loss", "accuracy", "training", "validation"))
    assert (alone / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_tensorboard_reads_each_epoch_and_the_profile(alone: Path) -> None:
    assert points(alone) == lines(alone)
    assert set(points(alone)) == {
        "train/loss",
        "train/accuracy",
        "train/learning_rate",
        "validation/loss",
        "validation/accuracy",
    }
    (profile,) = (alone / "tensorboard" / "plugins" / "profile").glob("*/*.xplane.pb")
    assert profile.stat().st_size > 0


@pytest.mark.strategy("one-device", "resumes")
def test_a_killed_run_ends_in_the_same_weights(alone: Path, tmp_path: Path) -> None:
    gate, params = gates.shut(tmp_path / "gates", 0, 2), {"gates": str(tmp_path / "gates")}
    run_dir = asked(tmp_path / "run", "tests/journeys/gated_digits.py", strategy="one-device", params=params)
    process = started(run_dir)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gate.unlink()
    assert line.startswith("epoch 1/2") and len(history(run_dir)) == 1
    finished(started(run_dir))
    assert weights(run_dir) == weights(alone)
    assert history(run_dir) == history(alone)
    assert points(run_dir) == lines(run_dir) and "2 of 2 epochs" in (run_dir / "report.html").read_text()
    record = json.loads((run_dir / "run.json").read_text())
    assert record["started_at"] <= record["resumed_at"] <= record["finished_at"]


@pytest.mark.strategy("mirrored", "devices")
def test_a_device_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    process = started(asked(tmp_path / "run", strategy="mirrored", devices=("GPU:0", "GPU:1")))
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and "error: There is no device GPU:0, GPU:1." in err
