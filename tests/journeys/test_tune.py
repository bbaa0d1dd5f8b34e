"""Tuning with real processes: three of them, one killed with -9 inside a trial; and one interrupted, then resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taxiway.tune import Study, TrialState, open_study
from tests.waiting import eventually

pytest.importorskip("optuna")
# Each process imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
SECONDS = 280
TRIALS = 4

# The first process that finds the folder `trap` leaves its number there and waits at a pipe that nobody writes to.
JOB = """
import os, pathlib
import keras, numpy as np

HERE = pathlib.Path(__file__).parent

class Trap(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch != 1:
            return
        try:
            (HERE / "trap").rename(HERE / "sprung")
        except FileNotFoundError:
            return
        (HERE / "sprung" / "part").write_text(str(os.getpid()))
        (HERE / "sprung" / "part").rename(HERE / "sprung" / "pid")
        (HERE / "sprung" / "pipe").open().read()

def build_model(params):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(params["rate"]), "mse")
    return model

def datasets(context):
    x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
    return (x, x.sum(axis=1)), (x, x.sum(axis=1))

def callbacks(context):
    return [Trap()]
"""
SPACE = """
[rate]
type = "float"
low = 0.01
high = 0.2
[goal]
metric = "val_loss"
direction = "minimize"
"""


def laid_out(folder: Path) -> Path:
    (folder / "trap").mkdir(parents=True)
    os.mkfifo(folder / "trap" / "pipe")
    (folder / "job.py").write_text(JOB)
    (folder / "space.toml").write_text(SPACE)
    return folder


def tuning(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "taxiway", "tune", *arguments, "--json"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def begun(folder: Path, parallel: int, trials: int = TRIALS) -> subprocess.Popen[str]:
    return tuning(
        folder, "job.py", "--space", "space.toml", "--parallel", str(parallel), "--epochs", "2", "--trials", str(trials),
        "--study-dir", "study",
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return process.returncode, out, err


def trapped(process: subprocess.Popen[str], folder: Path) -> int:
    """The process in the trap, certainly inside a trial."""
    place = folder / "sprung" / "pid"
    eventually(lambda: place.exists() or process.poll() is not None, seconds=SECONDS)
    assert process.poll() is None, process.communicate()
    return int(place.read_text())


def left(study: Path) -> list[str]:
    """Command lines of the processes that work on a study: they run in the folder that holds it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "taxiway.tune.worker" in line and (place / "cwd").readlink() == study.parent.resolve():
                found.append(line)
        except OSError:
            continue
    return found


def states(study: Study) -> list[str]:
    return sorted(one.state.value for one in study.trials)


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, dict[str, Any], str]:
    """A study of three processes, one of which was killed inside a trial; what the command printed."""
    folder = laid_out(tmp_path_factory.mktemp("tune"))
    process = begun(folder, 3)
    os.kill(trapped(process, folder), signal.SIGKILL)
    code, out, err = ended(process)
    assert code == 0, err
    return open_study(folder / "study"), json.loads(out), err


def test_a_study_survives_a_process_that_is_killed_inside_a_trial(
    survived: tuple[Study, dict[str, Any], str],
) -> None:
    study, document, err = survived
    assert states(study) == ["complete"] * TRIALS + ["lost"]
    assert document["status"] == "finished" and document["finished"] == TRIALS
    assert "was killed by SIGKILL; its trial is begun again" in err
    assert left(study.path) == []


def test_the_trial_of_the_killed_process_goes_on_where_it_was(survived: tuple[Study, dict[str, Any], str]) -> None:
    trials = survived[0].trials
    lost = next(one for one in trials if one.state is TrialState.LOST)
    again = next(one for one in trials if one.retry_of == (lost.number,))
    assert again.params == lost.params
    # It was killed in its second epoch; the first one is not trained again.
    assert set(lost.epochs) == {1} and set(again.epochs) == {1, 2}
    log = "".join(path.read_text() for path in (survived[0].path / "logs").iterdir())
    assert log.count("resumes after epoch 1") == 1


def test_the_best_trial_is_a_run_with_the_only_model(survived: tuple[Study, dict[str, Any], str]) -> None:
    study = survived[0]
    best = study.best
    assert best is not None and best.value == min(one.value for one in study.trials if one.value is not None)
    run = study.best_run
    assert run.record["trial"] == {"study": "study", "number": best.number, "state": "complete"}
    assert [path.parent for path in (study.path / "trials").glob("*/model")] == [run.path]
    assert (study.path / "best").resolve() == run.path.resolve()


def test_a_study_is_published_as_its_best_trial(survived: tuple[Study, dict[str, Any], str], tmp_path: Path) -> None:
    import taxiway

    published = taxiway.publish(survived[0].path, "line", tmp_path / "models")
    best = survived[0].best
    assert best is not None and published.manifest.lineage["trial"]["number"] == best.number
    assert published.manifest.lineage["parameters"] == best.params
    assert published.manifest.metrics["val_loss"] == best.value


def test_an_interrupt_leaves_nothing_running_and_the_study_goes_on(tmp_path: Path) -> None:
    folder = laid_out(tmp_path)
    process = begun(folder, 1, trials=2)
    trapped(process, folder)
    assert len(left(folder / "study")) == 1
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130 and "interrupted" in err
    study = open_study(folder / "study")
    assert left(study.path) == []
    assert study.status == "stopped" and "running" not in states(study)

    code, out, err = ended(tuning(folder, "--resume", "study"))
    assert code == 0, err
    assert states(study) == ["complete", "complete", "lost"]
    assert json.loads(out)["status"] == "finished"
