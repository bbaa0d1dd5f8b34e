"""Ranks on Ray: what is decided and read; no Ray runs here."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, Internal, InvalidArgument, Unavailable
from taxiway.train import TrainRequest, train
from taxiway.train.cluster.failure import Failure, FailureKind
from taxiway.train.cluster.supervise import Policy
from taxiway.train.ray_cluster import attempt, connect, needs
from taxiway.train.ray_cluster.attempt import Ended, failure_of
from taxiway.train.ray_cluster.follow import Follower
from taxiway.train.ray_cluster.rank import RankFailed, log_of, train_rank

LOST = "UnavailableError: Socket closed"


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        ([Ended(0, False, LOST), Ended(1, True, "")], "worker 1 is gone: it was killed, or its machine was lost."),
        ([Ended(0, False, LOST), Ended(2, False, "ValueError: no")], "worker 2 failed: ValueError: no."),
        ([Ended(1, False, LOST)], f"worker 1 failed: {LOST}."),
        ([Ended(-1, True, "timed out")], "Ray could not start the ranks: timed out."),
        (
            [Ended(-1, True, "ModuleNotFoundError: No module named 'taxiway'")],
            "Ray failed: every machine of the cluster needs the same Taxiway: ModuleNotFoundError: No module named 'taxiway'.",
        ),
    ],
)
def test_the_cause_is_the_rank_that_fell_first(ended: list[Ended], sentence: str) -> None:
    assert failure_of(ended).sentence == sentence


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize(
    "before", ["", "Traceback (most recent call last):\n  File x\ntaxiway.train.rank.RankFailed: "]
)
def test_what_a_rank_raised_is_told_from_its_death(before: str, wrong: bool) -> None:
    raised = Exception(f"{before}{RankFailed('no row', wrong)}\n")
    assert attempt.ended_of(1, raised) == Ended(1, died=False, line="no row", wrong=wrong)
    assert attempt.ended_of(1, Exception("The actor is dead.")) == Ended(1, died=True, line="The actor is dead.")


def test_a_stream_leaves_out_what_a_thread_of_rays_writes() -> None:
    stream = io.StringIO()
    quiet = connect.Without(stream, "ray_")
    quiet.write("ours ")
    thread = threading.Thread(target=quiet.write, args=("(raylet) a worker died",), name="ray_listen_error_messages")
    thread.start()
    thread.join()
    assert stream.getvalue() == "ours " and quiet.getvalue() == "ours "


def test_a_machine_without_taxiway_is_not_asked_again() -> None:
    failure = failure_of([Ended(-1, True, "ModuleNotFoundError: No module named 'taxiway'")])
    assert needs.end_of([failure], Policy(), False, "log") is not None


def test_a_death_is_tried_again_until_the_policy_says_no() -> None:
    died = Failure(FailureKind.DIED, "worker 1", "is gone")
    policy = Policy(max_restarts=2)
    assert needs.end_of([died], policy, False, "log") is None
    assert needs.end_of([died, died], policy, False, "log") is None
    end = needs.end_of([died, died, died], policy, False, "worker-1.log")
    assert isinstance(end, Unavailable) and end.message == "worker 1 is gone. That was after 2 restarts."
    assert end.hint == "Its output is in worker-1.log."


@pytest.mark.parametrize(("wrong", "kind"), [(False, Internal), (True, InvalidArgument)])
def test_an_error_of_the_program_ends_a_run_at_once(wrong: bool, kind: type[Exception]) -> None:
    raised = Failure(FailureKind.RAISED, "worker 1", "ValueError: row 3")
    end = needs.end_of([raised], Policy(max_restarts=9), wrong, "log")
    assert isinstance(end, kind) and str(end) == "worker 1 failed: ValueError: row 3."


@pytest.mark.parametrize(("workers", "cpus", "fits"), [(3, 3.0, True), (3, 2.5, False), (1, 0.0, False)])
def test_a_cluster_that_is_too_small_is_known_before_a_start(workers: int, cpus: float, fits: bool) -> None:
    problem = needs.shortage(workers, cpus)
    assert (problem is None) == fits
    assert problem is None or f"the cluster has {cpus:g}." in problem.message


def test_each_worker_gets_a_gpu_when_there_are_enough() -> None:
    assert [needs.wants_gpus(2, gpus) for gpus in (0.0, 1.0, 2.0)] == [False, False, True]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"strategy": "parameter-server", "parameter_servers": 1}, "Parameter servers are not started on Ray."),
        ({"workers": 3, "global_batch": 32}, "A global batch of 32 rows does not divide among 3 replicas."),
    ],
)
def test_what_ray_cannot_do_is_refused_first(request_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        needs.check_request(TrainRequest(job="job", **request_))
    assert raised.value.message == sentence


def test_a_rank_that_sees_another_directory_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}')
    with pytest.raises(RankFailed, match="must be on storage that every machine") as raised:
        train_rank({"run_dir": str(tmp_path / "not-here"), "token": ".ray-0"})
    assert raised.value.wrong and list(tmp_path.iterdir()) == []


def test_a_rank_that_fails_sends_its_last_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}')
    (tmp_path / ".ray-0").touch()
    with pytest.raises(RankFailed, match="is no run: it has no job.json") as raised:
        train_rank({"run_dir": str(tmp_path), "token": ".ray-0"})
    assert not raised.value.wrong
    assert "error: " in log_of(tmp_path, 0).read_text()


def test_logs_are_followed_from_where_they_were(tmp_path: Path) -> None:
    log, lines = tmp_path / "worker-0.log", list[str]()
    log.write_text("of the last attempt\n")
    follower = Follower({"worker 0": log, "worker 1": tmp_path / "worker-1.log"}, lines.append)
    with log.open("a") as file:
        for text in ("epoch 1/2\nep", "och 2/2\nthe e"):
            file.write(text)
            file.flush()
            follower.look()
    assert lines == ["[worker 0] epoch 1/2", "[worker 0] epoch 2/2"]
    follower.finish()
    assert lines[2:] == ["[worker 0] the e"]


@pytest.mark.parametrize("address", ["nowhere", "host:", ":6379", "host:port"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidArgument, match="is no address of a Ray cluster"):
        connect.probe(None, address)


def test_a_client_address_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidArgument, match="Ray client") as raised:
        connect.probe(None, "ray://head:10001")
    assert raised.value.hint is not None and "--ray-address auto" in raised.value.hint


def test_nobody_at_an_address_is_said_at_once() -> None:
    with pytest.raises(Unavailable, match="No Ray cluster answers at 127.0.0.2:1: "):
        connect.probe(None, "127.0.0.2:1")


def test_without_ray_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(FailedPrecondition, match="Ray is not installed") as raised:
        connect.ray_module()
    assert raised.value.hint == "pip install 'taxiway[ray]'"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"on": "mars"}, "There is no place 'mars' to train on."),
        ({"ray_address": "auto"}, "An address of Ray was given, but the run is not on Ray."),
    ],
)
def test_a_wrong_place_leaves_no_run_behind(given: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as raised:
        train("job", runs=tmp_path, **given)  # type: ignore[arg-type]
    assert raised.value.message == sentence and list(tmp_path.iterdir()) == []


def test_an_object_is_no_job_for_other_machines(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="Ray's ranks cannot share a job that is an object"):
        train(attempt, runs=tmp_path, on="ray")
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_does_not_fit_ray_is_refused_before_its_job_is_imported(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("raise SystemExit('imported')")
    with pytest.raises(InvalidArgument, match="33 rows does not divide among 2 replicas"):
        train(str(tmp_path / "late.py"), runs=tmp_path / "runs", on="ray", workers=2, global_batch=33)
    assert list((tmp_path / "runs").iterdir()) == []
