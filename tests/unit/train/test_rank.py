"""What TF_CONFIG makes of a process, and how ranks agree on what is trained: no process, no clock."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from taxiway.errors import DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, Unavailable
from taxiway.train.cluster.serving import await_servers, watch_chief
from taxiway.train.cluster.tf_config import Cluster, Task, tf_config_text
from taxiway.train.rank import fitted, share_request, take_part
from taxiway.train.request import TrainRequest, read_request, write_request

ROOT = Path(__file__).parents[3]
WORKERS = Cluster(worker=("a:1", "b:1"))
SERVED = Cluster(chief=("c:1",), worker=("a:1", "b:1"), ps=("p:1",))
ASKED = TrainRequest(job="a:b")


@pytest.mark.parametrize(
    ("cluster", "numbers"),
    [(WORKERS, (2, 0)), (Cluster(chief=("c:1",), worker=("a:1",)), (2, 0)), (SERVED, (2, 1))],
)
def test_tf_config_says_how_many_processes_there_are(cluster: Cluster, numbers: tuple[int, int]) -> None:
    found = fitted(ASKED, Task("worker", 0, cluster))
    assert (found.workers, found.parameter_servers) == numbers
    assert fitted(found, Task("worker", 0, cluster)) == found


@pytest.mark.parametrize(
    ("strategy", "task", "sentence"),
    [
        ("auto", Task("evaluator", 0, WORKERS), "an evaluator; a run has none"),
        ("mirrored", Task("worker", 0, WORKERS), "names 2 processes; mirrored trains in one"),
        ("multi-worker", Task("worker", 0, SERVED), "names parameter servers; multi-worker has none"),
        ("parameter-server", Task("worker", 0, WORKERS), "names no ps"),
        ("auto", Task("ps", 0, replace(SERVED, chief=())), "names a ps and no chief"),
        ("auto", Task("ps", 0, replace(SERVED, worker=())), "names a ps and no worker"),
    ],
)
def test_a_cluster_that_does_not_fit_is_refused(strategy: str, task: Task, sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        fitted(replace(ASKED, strategy=strategy), task)


def test_other_numbers_than_tf_config_names_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="3 workers were asked for; TF_CONFIG names 2 workers and 1 parameter"):
        fitted(replace(ASKED, workers=3), Task("chief", 0, SERVED))


def test_the_chief_writes_the_request_and_the_others_wait_for_it(tmp_path: Path) -> None:
    asked, pauses = replace(ASKED, directory="/here"), 0

    def pause(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            share_request(tmp_path, replace(asked, directory="/there"), Task("worker", 0, WORKERS))

    assert share_request(tmp_path, asked, Task("worker", 1, WORKERS), pause) == asked
    assert pauses == 3 and read_request(tmp_path).directory == "/there"
    with pytest.raises(InvalidArgument, match="worker 1 was asked for something else than the chief: epochs, seed"):
        share_request(tmp_path, replace(asked, epochs=9, seed=1), Task("worker", 1, WORKERS), pause)


def test_a_directory_that_is_not_shared_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded, match="did not appear in .* within 5 seconds") as raised:
        share_request(tmp_path, ASKED, Task("worker", 1, WORKERS), lambda seconds: None, seconds=5)
    assert raised.value.hint is not None and "every rank shares" in raised.value.hint
    write_request(tmp_path, ASKED)
    assert share_request(tmp_path, ASKED, Task("worker", 1, WORKERS), seconds=0) == ASKED


def test_a_rank_serves_until_its_chief_is_gone() -> None:
    chief = Task("chief", 0, SERVED)
    # Not there yet; there; lost for a moment; gone.
    looks = iter([False, True, True, False, False, True, *(False,) * 5])
    watch_chief(chief, lambda: next(looks), lambda: True, lambda seconds: None)
    assert list(looks) == []
    looks = iter([True, *(False,) * 5])
    with pytest.raises(Unavailable, match="lost its peer chief 0"):
        watch_chief(chief, lambda: next(looks), lambda: False, lambda seconds: None)
    with pytest.raises(DeadlineExceeded, match="chief 0 did not listen at c:1"):
        watch_chief(chief, lambda: False, lambda: False, lambda seconds: None)


def test_a_rank_that_waits_too_long_for_the_others_ends() -> None:
    code = """
import socket, threading
from taxiway.train.cluster.serving import ended_if_late
from taxiway.train.cluster.tf_config import Cluster
held = socket.create_server(("127.0.0.1", 0))
cluster = Cluster(worker=(f"127.0.0.1:{held.getsockname()[1]}", "127.0.0.1:1"))
with ended_if_late(cluster, 30): pass
with ended_if_late(cluster, 0.2): threading.Event().wait()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 1
    assert "error: Not every rank started within 0.2 seconds: worker 1 (127.0.0.1:1) did not." in done.stderr


@pytest.mark.parametrize(
    ("said", "kind"),
    [("Collective ops is aborted: stopped sending heartbeats\nmore", Unavailable), ("bad row", Internal)],
)
def test_a_rank_whose_peer_is_gone_says_so(
    said: str, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError(said)

    (tmp_path / "job.py").write_text("def build_model(params): ...\ndef datasets(context): ...\n")
    monkeypatch.setattr("taxiway.train.session.train_here", fails)
    monkeypatch.setenv("TF_CONFIG", tf_config_text(Task("worker", 1, WORKERS)))
    with pytest.raises(kind, match=said.splitlines()[0]) as raised:
        take_part(TrainRequest(job=str(tmp_path / "job.py")), tmp_path, lambda line: None)
    assert str(raised.value.__cause__) == said


def test_a_full_disk_is_not_said_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "job.py").write_text("def build_model(params): ...\ndef datasets(context): ...\n")
    monkeypatch.setattr("taxiway.train.session.train_here", fails)
    with pytest.raises(OSError, match="No space left"):
        take_part(TrainRequest(job=str(tmp_path / "job.py")), tmp_path, lambda line: None)


def test_the_chief_waits_for_its_servers() -> None:
    up: set[str] = set()
    later = iter(["a:1", "p:1", "b:1"])
    await_servers(SERVED, lambda address: address in up, lambda seconds: up.add(next(later)))
    assert up == {"a:1", "b:1", "p:1"}
    with pytest.raises(DeadlineExceeded, match=r"worker 1 \(b:1\), ps 0 \(p:1\) did not"):
        await_servers(SERVED, lambda address: address == "a:1", lambda seconds: None, seconds=3)
