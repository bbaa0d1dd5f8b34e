"""Whether a run's process is still there, and what its status says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition
from taxiway.train.alive import LAUNCHER, identity, lives, trainer
from taxiway.train.runs import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells when a process started")


def run(path: Path, process: Any) -> Run:
    (path / "run.json").write_text(json.dumps({"status": "running", "process": process}))
    return Run(path)


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = run(tmp_path, identity(child.pid))
    assert found.status == "running"
    with pytest.raises(FailedPrecondition, match=f"being trained, by process {child.pid}"):
        found.check_idle()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert found.status == "interrupted", "it is a zombie, which trains nothing"
    child.communicate()
    assert found.status == "interrupted"
    found.check_idle()


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({}, True),
        ({"started": 1}, False),
        ({"boot": "another"}, False),
        ({"host": "another"}, None),
        ({"pid": 0}, None),
    ],
)
def test_a_process_is_its_id_its_start_and_its_machine(change: dict[str, Any], there: bool | None) -> None:
    assert lives({**identity(os.getpid()), **change}) is there


def test_runs_of_older_versions_and_of_other_hosts_keep_their_word(tmp_path: Path) -> None:
    assert run(tmp_path, None).status == "running"
    assert run(tmp_path, {**identity(os.getpid()), "host": "another"}).status == "running"


def test_a_launched_rank_is_kept_going_by_its_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trainer()["pid"] == os.getpid()
    monkeypatch.setenv(LAUNCHER, str(os.getppid()))
    assert trainer()["pid"] == os.getppid()
    monkeypatch.setenv(LAUNCHER, "1" + str(os.getppid()))
    assert trainer()["pid"] == os.getpid(), "the variable was inherited from a launcher that did not start this"
