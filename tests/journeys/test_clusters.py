"""Clusters of real processes through the command: started by it or by a platform, killed, broken, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from taxiway.train import Run
from taxiway.train.checkpoints import Checkpoint, newest
from taxiway.train.cluster.ports import free_addresses
from tests.journeys import gates
from tests.waiting import PATIENCE_SECONDS, eventually

# Each process imports TensorFlow, which takes half a minute on a busy machine of two cores.
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="ranks are found in /proc"),
]
ROOT = Path(__file__).parents[2]
SECONDS = 400
DIGITS = ("examples/digits:job", "--global-batch", "96", "--seed", "3", "--epochs", "2", "--strategy")
# Blocks as a rank while it is imported, before TensorFlow is; not where it is only looked at.
NEVER_STARTS = """
import os, threading
if os.environ.get("TF_CONFIG"):
    print("stuck", flush=True)
    threading.Event().wait()
def build_model(params): ...
def datasets(context): ...
"""
RAISES = """
def build_model(params):
    import keras
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
def datasets(context):
    import numpy as np
    if context.rank == 1:
        raise ValueError("Column 7 is missing.")
    return (np.ones((64, 2), "float32"), np.ones((64, 1), "float32")), None
"""


@dataclass
class Command:
    """``taxiway train`` as a process, its output line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read(self, until: str = "") -> str:
        """The output up to the first line that ``until`` is found in; all of it without."""
        assert self.process.stdout is not None
        if self.process.stdout.closed:
            return "".join(self.lines)
        stop = threading.Timer(SECONDS, self.process.kill)
        stop.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if until and re.search(until, line):
                    break
            else:
                self.process.wait()
                self.process.stdout.close()
                assert not until, "".join(self.lines)
        finally:
            stop.cancel()
        return "".join(self.lines)

    def rank(self, name: str) -> int:
        """The process of a rank that this command started, as ``worker 1``."""
        kind, index = name.split()
        task = f'"task": {{"type": "{kind}", "index": {index}}}'
        return next(pid for pid in children(self.process.pid) if task in told(pid))


def command(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Command:
    process = subprocess.Popen(
        [sys.executable, "-m", "taxiway", "train", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": "", **(environment or {})},
    )  # fmt: skip
    return Command(process)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += map(int, path.read_text().split())
    return found


def told(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((one.decode() for one in variables if one.startswith(b"TF_CONFIG=")), "")


def watched(command: Command) -> list[int]:
    """The two ranks of the command, as what can be waited for also when they have ended."""
    eventually(lambda: len(children(command.process.pid)) == 2, SECONDS, instead=lambda: command.lines)
    return [os.pidfd_open(pid) for pid in children(command.process.pid)]


def all_end(ranks: list[int]) -> None:
    for one in ranks:
        assert select.select([one], [], [], PATIENCE_SECONDS)[0]
        os.close(one)


def weights(run_dir: Path) -> bytes:
    return (checkpoint(run_dir).path / "variables.npz").read_bytes()


def checkpoint(run_dir: Path) -> Checkpoint:
    found = newest(run_dir / "checkpoints")
    assert found is not None
    return found


def steps(run_dir: Path, epoch: int) -> int:
    """The optimizer's count of its steps in a checkpoint."""
    import numpy as np

    path = run_dir / "checkpoints" / f"epoch-{epoch:06d}"
    described = json.loads((path / "checkpoint.json").read_text())["variables"]
    number, found = next((n, one) for n, one in enumerate(described) if one["path"].endswith("/iteration"))
    with np.load(path / "variables.npz") as file:
        return int(np.frombuffer(file[str(number)].tobytes(), found["dtype"])[0])


def newest_steps(run_dir: Path) -> tuple[int, int]:
    """The epoch of the newest checkpoint, and the steps in it; the next one may take its place while it is read."""
    while True:
        epoch = checkpoint(run_dir).epoch
        with contextlib.suppress(FileNotFoundError):
            return epoch, steps(run_dir, epoch)


@pytest.fixture(scope="module")
def by_platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three processes that something else started, each with its TF_CONFIG."""
    run_dir = tmp_path_factory.mktemp("platform") / "run"
    cluster = {"worker": list(free_addresses(3))}
    ranks = [
        command(*DIGITS, "auto", "--run-dir", run_dir, environment={"TF_CONFIG": json.dumps(one)})
        for one in ({"cluster": cluster, "task": {"type": "worker", "index": n}} for n in range(3))
    ]
    try:
        for rank in ranks:
            output = rank.read()
            assert rank.process.returncode == 0, output
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.wait()
    return run_dir


def test_a_platform_starts_the_processes_and_each_trains_as_its_rank(by_platform: Path) -> None:
    run = Run(by_platform)
    assert run.status == "finished" and len(run.history) == 2
    assert (run.record["strategy"], run.record["replicas"], run.request.workers) == ("multi-worker", 3, 3)
    assert (run.model_path / "saved_model.pb").is_file()


@pytest.mark.strategy("multi-worker", "resumes")
def test_a_killed_worker_costs_time_and_nothing_else(by_platform: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    gate, param = gates.shut(tmp_path / "gates", 1, 2), f'gates="{tmp_path / "gates"}"'
    job = ("tests/journeys/gated_digits.py", *DIGITS[1:])
    train = command(*job, "multi-worker", "--workers", "3", "--param", param, "--run-dir", run_dir)
    train.read(until="epoch 1/2")
    os.kill(train.rank("worker 1"), signal.SIGKILL)
    gate.unlink()
    output = train.read()
    assert train.process.returncode == 0, output
    assert "worker 1 was killed by SIGKILL. All start again from the last checkpoint (1 of 3)." in output
    assert "[worker 0] resumes after epoch 1" in output
    assert Run(run_dir).status == "finished"
    assert weights(run_dir) == weights(by_platform)


# So many that none of the kills comes when all is done.
EPOCHS = 16


@pytest.mark.strategy("parameter-server", "exports")
def test_parameter_servers_outlive_a_worker_and_resume_without_a_server(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    train = command(
        "examples/digits:job", "--strategy", "parameter-server", "--workers", "2", "--parameter-servers", "1",
        "--global-batch", "10", "--epochs", f"{EPOCHS}", "--run-dir", run_dir,
    )  # fmt: skip
    train.read(until=f"epoch 1/{EPOCHS}")
    os.kill(train.rank("ps 0"), signal.SIGKILL)
    train.read(until=r"resumes after epoch \d")
    resumed = int(train.lines[-1].split()[-1])
    train.read(until=f"epoch {min(resumed + 2, EPOCHS)}/{EPOCHS}")
    done, counted = newest_steps(run_dir)
    per_epoch = counted // done
    # Two workers counted at once, and not one step is lost.
    assert counted == done * per_epoch and per_epoch >= 100
    os.kill(train.rank("worker 1"), signal.SIGKILL)
    output = train.read()
    assert train.process.returncode == 0, output
    assert "ps 0 was killed by SIGKILL. All start again from the last checkpoint (1 of 3)." in output
    assert "worker 1 was killed by SIGKILL. It starts again; the others go on." in output
    run = Run(run_dir)
    assert run.status == "finished" and len(run.history) == EPOCHS
    # The step that the killed worker had begun may have been counted before another worker did it.
    assert 0 <= steps(run_dir, EPOCHS) - EPOCHS * per_epoch <= 1
    assert run.metrics["val_accuracy"] > 0.9
    assert (run.model_path / "saved_model.pb").is_file()


def test_an_error_in_one_rank_is_said_once_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(RAISES)
    train = command(tmp_path / "job.py", "--strategy", "multi-worker", "--workers", "2", "--run-dir", tmp_path / "run")
    ranks = watched(train)
    train.read(until=r"\[worker 1\] error: .*datasets raised: ValueError")
    # Within seconds: no restart, and a grace of five of them for the rank that waits for the other.
    stop = threading.Timer(2 * PATIENCE_SECONDS, train.process.kill)
    stop.start()
    train.read()
    stop.cancel()
    all_end(ranks)
    assert train.process.returncode == 1
    said = [line for line in train.lines if line.startswith(("error: ", "hint: "))]
    log = tmp_path / "run" / "logs" / "worker-1.log"
    assert len(said) == 2 and said[1] == f"hint: Its output is in {log}.\n"
    assert re.fullmatch(
        r"error: worker 1 failed: .*datasets raised: ValueError: Column 7 is missing .*job\.py:\d+\)\.\n", said[0]
    )
    assert "Traceback" in log.read_text() and Run(tmp_path / "run").status != "running"


@pytest.mark.strategy("multi-worker", "devices")
@pytest.mark.parametrize("interrupted", [True, False], ids=["Ctrl-C", "deadline"])
def test_ranks_that_never_start_are_ended(tmp_path: Path, interrupted: bool) -> None:
    (tmp_path / "job.py").write_text(NEVER_STARTS)
    train = command(
        tmp_path / "job.py", "--strategy", "multi-worker", "--workers", "2", "--run-dir", tmp_path / "run",
        "--start-seconds", "300" if interrupted else "10",
    )  # fmt: skip
    ranks = watched(train)
    if interrupted:
        train.read(until=r"worker \d\] stuck")
        train.process.send_signal(signal.SIGINT)
    output = train.read()
    all_end(ranks)
    assert train.process.returncode not in (0, 2)
    if not interrupted:
        assert "error: worker 0 and worker 1 did not start within 10 seconds" in output
        assert f"hint: See what it printed in {tmp_path}/run/logs/worker-0.log" in output


@pytest.mark.strategy("parameter-server", "devices")
@pytest.mark.parametrize(
    ("tf_config", "options", "sentence"),
    [
        ("{", (), "error: TF_CONFIG is not JSON"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', (), "error: TF_CONFIG does not say which task"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}',
            (),
            "error: TF_CONFIG makes this process an evaluator",
        ),
        ("", ("--strategy", "multi-worker", "--workers", "3"), "error: A global batch of 32 rows does not divide"),
        ("", ("--strategy", "parameter-server", "--workers", "2"), "error: parameter-server needs a parameter server"),
        (
            "",
            ("--workers", "2", "--devices", "GPU:0"),
            "error: multi-worker trains on what each of its processes sees; devices are not named",
        ),
    ],
    ids=["no JSON", "no task", "evaluator", "batch", "no server", "devices"],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, tf_config: str, options: tuple[str, ...], sentence: str
) -> None:
    train = command(
        "examples/digits:job", "--run-dir", tmp_path / "run", *options, environment={"TF_CONFIG": tf_config}
    )
    output = train.read()
    assert (train.process.returncode, len(output.splitlines())) == (2, 2), output
    assert output.startswith(sentence) and "\nhint: " in output
    assert not (tmp_path / "run" / "logs").exists()
