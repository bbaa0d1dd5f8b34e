"""One job under every strategy: the same losses as in one process, the same weights after a kill, a model at the end.

The job's layers keep statistics and its weights have a penalty, which is where a strategy goes wrong unseen.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from taxiway.train.runs import Run
from tests.journeys import gates

# Each process imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
SECONDS = 280
JOB = "tests/journeys/normed_job.py"
ASKED = {"epochs": 2, "global_batch": 96, "seed": 3, "runtime": {"logical_cpus": 2}}
OPTIONS = ("--epochs", "2", "--global-batch", "96", "--seed", "3", "--set", "logical_cpus=2")
BOTH = ("--devices", "CPU:0,CPU:1")

# One process for all of them, since importing TensorFlow is what takes the time.
TOGETHER = f"""
import sys, taxiway
for name, devices in (("one-device", ["CPU:0"]), ("mirrored", ["CPU:0", "CPU:1"]), ("central-storage", ["CPU:0", "CPU:1"])):
    taxiway.train({JOB!r}, run_dir=sys.argv[1] + "/" + name, strategy=name, devices=devices, **{ASKED!r})
"""


def python(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, start_new_session=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TF_CONFIG": "", "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@contextmanager
def train(*options: str) -> Iterator[subprocess.Popen[str]]:
    """``taxiway train``, gone afterwards with all that it started."""
    process = python("-m", "taxiway", "train", *options)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def trained(*options: str) -> str:
    with train(*options) as process:
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    return out


def told(process: subprocess.Popen[str], pattern: str) -> str:
    """The first line of output in which the pattern is found."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return line
    raise AssertionError("".join(lines))


def figures(run: Path) -> list[dict[str, float]]:
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in Run(run).history]


def weights(run: Path) -> bytes:
    import numpy as np

    with np.load(max((run / "checkpoints").glob("epoch-*")) / "variables.npz") as file:
        return b"".join(file[name].tobytes() for name in sorted(file.files))


def assert_same(mine: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        # What validation sees are moving variances, of which the two ways to sum agree in fewer digits.
        exact = {name: value for name, value in other.items() if name != "val_loss"}
        assert {name: value for name, value in one.items() if name != "val_loss"} == pytest.approx(exact, rel=1e-5)
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of each strategy of one process, by its name."""
    folder = tmp_path_factory.mktemp("together")
    process = python("-c", TOGETHER, str(folder))
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    return folder


@pytest.mark.strategy("mirrored", "same-loss", "exports")
@pytest.mark.strategy("central-storage", "same-loss", "exports")
def test_two_devices_train_as_one_does(together: Path) -> None:
    for name in ("mirrored", "central-storage"):
        assert_same(figures(together / name), figures(together / "one-device"))
        assert (together / name / "model" / "saved_model.pb").is_file()
        record = Run(together / name).record
        assert (record["strategy"], record["replicas"]) == (name, 2)
        assert record["runtime"]["logical_cpus"] == {"requested": 2, "effective": 2}
        assert record["runtime"]["inter_op_threads"]["requested"] is None


@pytest.mark.strategy("mirrored", "resumes")
@pytest.mark.strategy("central-storage", "resumes")
def test_a_killed_run_of_two_devices_ends_in_the_same_weights(together: Path, tmp_path: Path) -> None:
    names = ("mirrored", "central-storage")
    gate, param = gates.shut(tmp_path / "gates", 0, 2), f'gates="{tmp_path / "gates"}"'
    options = {
        name: (JOB, "--strategy", name, *BOTH, *OPTIONS, "--param", param, "--run-dir", str(tmp_path / name))
        for name in names
    }

    def kill(process: subprocess.Popen[str]) -> None:
        told(process, "^epoch 1/2")
        process.send_signal(signal.SIGKILL)

    # Each at its own moment: while one is waited for, the other may end.
    with train(*options["mirrored"]) as one, train(*options["central-storage"]) as other, ThreadPoolExecutor(2) as pool:
        list(pool.map(kill, (one, other)))
    gate.unlink()
    with train("--resume", str(tmp_path / names[0])) as first, train("--resume", str(tmp_path / names[1])) as second:
        outs = [process.communicate(timeout=SECONDS)[0] for process in (first, second)]
    for name, out in zip(names, outs, strict=True):
        assert "runtime: logical_cpus 2" in out and re.search("resumes after epoch 1$", out, re.MULTILINE)
        assert weights(tmp_path / name) == weights(together / name)
        assert figures(tmp_path / name) == figures(together / name)


@pytest.mark.strategy("multi-worker", "same-loss", "exports")
def test_two_workers_train_as_one_device_does(together: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(JOB, "--strategy", "multi-worker", "--workers", "2", *OPTIONS, "--run-dir", str(run))
    assert_same(figures(run), figures(together / "one-device"))
    assert (run / "model" / "saved_model.pb").is_file()


# What a strategy says within a moment of devices that are not there.
MISSING = """
import json, sys, time, taxiway
from taxiway.errors import TaxiwayError
found = {}
for name, options in (
    ("one-device", {"devices": ["GPU:0"]}),
    ("mirrored", {"devices": ["CPU:0", "CPU:1"]}),
    ("central-storage", {"devices": ["GPU:0", "GPU:1"]}),
    ("multi-worker", {"workers": 2, "runtime": {"visible_gpus": [1]}}),
    ("tpu", {}),
):
    began = time.monotonic()
    try:
        taxiway.train(sys.argv[1], runs=sys.argv[2], strategy=name, **options)
    except TaxiwayError as error:
        found[name] = [error.message, error.hint, time.monotonic() - began]
print(json.dumps(found))
"""


@pytest.mark.strategy("one-device", "devices")
@pytest.mark.strategy("mirrored", "devices")
@pytest.mark.strategy("central-storage", "devices")
@pytest.mark.strategy("multi-worker", "devices")
@pytest.mark.strategy("tpu", "devices")
def test_devices_that_are_not_there_are_named_at_once(tmp_path: Path) -> None:
    process = python("-c", MISSING, JOB, str(tmp_path))
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert found["one-device"][0] == "There is no device GPU:0."
    assert found["mirrored"][:2] == ["There is no device CPU:1.", "There is CPU:0; --set logical_cpus=2 divides it."]
    assert found["central-storage"][0] == "There is no device GPU:0, GPU:1."
    assert found["multi-worker"][0] == "There is no GPU:1 on this machine; it has CPU:0."
    assert found["tpu"][0].startswith("There is no TPU here: ")
    # The first of them imports TensorFlow. Processes that wait for each other would take minutes.
    assert all(seconds < 60 for _, _, seconds in list(found.values())[1:])
