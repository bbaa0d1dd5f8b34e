"""The processes of a study: deaths within bounds, an end for all, nothing left. Small programs stand in for workers."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument, Unavailable
from taxiway.tune.pool import STUDY_ENDED, Pool, run_pool


@dataclass(frozen=True)
class Program(Pool):
    """A pool of another program, which is told the study's directory."""

    code: str = ""

    def command(self, name: str) -> tuple[str, ...]:
        return sys.executable, "-c", self.code, str(self.directory)


def unheard(_line: str) -> None:
    pass


def test_lines_for_the_watcher_are_told_and_all_others_logged(tmp_path: Path) -> None:
    said: list[str] = []
    run_pool(Program(tmp_path, 2, code="print('epoch 1'); print('study: 1/1  trial 0')"), said.append, unheard)
    assert said == ["1/1  trial 0"] * 2
    assert "epoch 1\nstudy: 1/1  trial 0\n" in (tmp_path / "logs" / "worker-2.log").read_text()


def test_a_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys\nplace = pathlib.Path(sys.argv[1]) / 'once'\n"
        "if not place.exists(): place.touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    said: list[str] = []
    lost: list[str] = []
    run_pool(Program(tmp_path, 1, code=code), said.append, lost.append)
    assert lost == ["worker 1"]
    assert said == ["worker 1 was killed by SIGKILL; its trial is begun again"]
    assert (tmp_path / "logs" / "worker-2.log").exists()


def test_processes_that_always_die_are_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(Unavailable) as caught:
        run_pool(Program(tmp_path, 1, code="raise SystemExit('error: no disk')"), said.append, unheard)
    assert caught.value.message == (
        "Processes die and no trial finishes; the last one, worker 4 exited with code 1: no disk."
    )
    assert len(said) == 3 and str(caught.value.hint).endswith("worker-4.log")


def test_one_process_that_finds_the_study_ended_ends_all(tmp_path: Path) -> None:
    code = (
        f"import os, pathlib, sys\nplace = pathlib.Path(sys.argv[1]) / 'pipe'\n"
        f"try: os.mkfifo(place)\nexcept FileExistsError: place.open('w'); sys.exit({STUDY_ENDED})\n"
        "place.open().read(); place.open().read()"
    )
    run_pool(Program(tmp_path, 2, code=code), unheard, unheard)


def test_one_that_is_killed_after_the_study_ended_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxiway.tune.pool.GRACE_SECONDS", 0.2)
    code = (
        "import os, pathlib, signal, sys\nplace = pathlib.Path(sys.argv[1]) / 'pipe'\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"try: os.mkfifo(place)\nexcept FileExistsError: place.open('w'); sys.exit({STUDY_ENDED})\n"
        "place.open().read(); signal.pause()"
    )
    said: list[str] = []
    run_pool(Program(tmp_path, 2, code=code), said.append, unheard)
    assert said == []


def test_an_interrupt_ends_processes_that_do_not_listen_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taxiway.tune.pool.GRACE_SECONDS", 0.2)
    pids: list[int] = []

    def told(line: str) -> None:
        pids.append(int(line))
        os.kill(os.getpid(), signal.SIGINT)

    code = (
        "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('study:', os.getpid(), flush=True)\nsignal.pause()"
    )
    with pytest.raises(KeyboardInterrupt):
        run_pool(Program(tmp_path, 1, code=code), told, unheard)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@pytest.mark.parametrize("parallel", [0, -1, 257, True])
def test_a_pool_has_from_1_to_256_processes(parallel: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="it must be from 1 to 256"):
        Pool(tmp_path, parallel)
