"""The launcher with real small processes: stubs that do to it what ranks do."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from taxiway.errors import DeadlineExceeded, Internal, InvalidArgument, Unavailable
from taxiway.train.cluster import Launch, Policy, launch
from tests.waiting import PATIENCE_SECONDS, free_port

ROOT = Path(__file__).parents[3]
QUICK = Policy(start_seconds=PATIENCE_SECONDS, grace_seconds=0.3, max_restarts=2)
# A rank that listens at its address and meets the others: it goes on when every address accepts a connection.
STUB = """
import json, os, pathlib, signal, socket, sys, time
config = json.loads(os.environ["TF_CONFIG"]); task = config["task"]; me = f"{task['type']}-{task['index']}"
run = pathlib.Path(sys.argv[1])
(run / f"part.{me}").write_text(str(os.getpid())); (run / f"part.{me}").rename(run / f"pid.{me}")
def listen():
    host, port = config["cluster"][task["type"]][task["index"]].split(":")
    one = socket.create_server((host, int(port)), backlog=64); globals()["held"] = one
def once(name):
    try: (run / name).open("x"); return True
    except FileExistsError: return False
def wait_for_ever():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(60)
"""


def job(run: Path, code: str, *, workers: int = 2, servers: int = 0, policy: Policy = QUICK) -> Launch:
    script = run / "stub.py"
    script.write_text(STUB + code)
    return Launch(run, workers, servers, (sys.executable, "-I", "-S", str(script), str(run)), policy=policy)


@pytest.fixture(autouse=True)
def ports_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that nobody else takes before a rank has started; all would start again, and be counted."""
    monkeypatch.setattr(
        "taxiway.train.cluster.launcher.free_addresses",
        lambda count: tuple(f"127.0.0.1:{free_port()}" for _ in range(count)),
    )


def left(run: Path) -> list[str]:
    """The stubs that still run."""
    found = []
    for path in run.glob("pid.*"):
        try:
            state = Path(f"/proc/{path.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [path.name] if state not in "ZX" else []
    return found


def test_output_is_prefixed_and_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    report = launch(job(tmp_path, "listen(); print('hello from', me)"), write=lines.append)
    assert (report.attempts, report.failures) == (1, ())
    assert sorted(lines) == ["[worker 0] hello from worker-0", "[worker 1] hello from worker-1"]
    assert (tmp_path / "logs" / "worker-1.log").read_text().endswith("hello from worker-1\n")


def test_a_killed_rank_starts_all_again_and_the_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = """
listen()
if me == "worker-0" and not (run / "stuck").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    once("stuck"); wait_for_ever()
if me == "worker-1" and once("dead"):
    while not (run / "stuck").exists(): time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    lines: list[str] = []
    report = launch(job(tmp_path, code), write=lines.append)
    assert report.attempts == 2
    assert report.failures[0].sentence == "worker 1 was killed by SIGKILL."
    assert any(line.startswith("[launcher] worker 1 was killed by SIGKILL. All start again") for line in lines)
    assert left(tmp_path) == []


def test_a_rank_that_never_starts_is_named_with_its_log(tmp_path: Path) -> None:
    code = "print('loading', flush=True)\nif me == 'worker-0': listen()\nwait_for_ever()"
    for seconds in (1, 10, PATIENCE_SECONDS):
        run = tmp_path / str(seconds)
        run.mkdir()
        with pytest.raises(DeadlineExceeded) as raised:
            launch(job(run, code, policy=Policy(seconds, 0.2)), write=lambda line: None)
        assert left(run) == []
        # On a busy machine the other one may not have started in time either.
        if "worker 0" not in raised.value.message and len(list(run.glob("pid.*"))) == 2:
            break
    assert raised.value.message.startswith(f"worker 1 did not start within {seconds} seconds")
    assert raised.value.hint is not None and str(run / "logs" / "worker-1.log") in raised.value.hint


def test_a_program_error_ends_all_at_once(tmp_path: Path) -> None:
    code = "listen()\nif me == 'worker-1': raise ValueError(f'bad row {os.getpid()}')\nwait_for_ever()"
    with pytest.raises(Internal, match=r"worker 1 failed: ValueError: bad row \d+\.$"):
        launch(job(tmp_path, code), write=lambda line: None)
    assert left(tmp_path) == []


def test_deaths_end_the_run_at_last(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="after 2 restarts"):
        launch(job(tmp_path, "listen(); os.kill(os.getpid(), signal.SIGKILL)", workers=1), write=lambda line: None)


def test_the_chief_finds_its_servers_listening(tmp_path: Path) -> None:
    code = """
listen()
if me != "chief-0": wait_for_ever()
for kind in ("worker", "ps"):
    for address in config["cluster"][kind]:
        host, port = address.split(":"); socket.create_connection((host, int(port)), timeout=1).close()
print("all there")
"""
    lines: list[str] = []
    assert launch(job(tmp_path, code, servers=1), write=lines.append).attempts == 1
    assert lines == ["[chief 0] all there"]
    assert left(tmp_path) == []


def test_a_dead_worker_of_parameter_servers_starts_again_at_its_address(tmp_path: Path) -> None:
    code = """
listen()
if me == "worker-1" and once("first"):
    while not (run / "going").exists(): time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
if me != "chief-0":
    if me == "worker-1": (run / "back").touch()
    wait_for_ever()
held.accept()  # The launcher, which now knows that all are up.
(run / "going").touch()
while not (run / "back").exists(): time.sleep(0.01)
host, port = config["cluster"]["worker"][1].split(":"); socket.create_connection((host, int(port)), timeout=1).close()
print("found it again")
"""
    lines: list[str] = []
    report = launch(job(tmp_path, code, servers=1), write=lines.append)
    assert (report.attempts, [one.rank for one in report.replaced]) == (1, ["worker 1"])
    assert lines[-1] == "[chief 0] found it again" and left(tmp_path) == []


def test_a_reader_that_goes_away_does_not_stop_the_ranks(tmp_path: Path) -> None:
    def closed(line: str) -> None:
        raise BrokenPipeError

    assert launch(job(tmp_path, "listen(); print('x' * 300000)"), write=closed).attempts == 1
    assert (tmp_path / "logs" / "worker-0.log").stat().st_size > 300000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing ends the ranks of a launcher that SIGKILL ended")
def test_no_process_outlives_the_launcher(tmp_path: Path, number: int) -> None:
    spec = job(tmp_path, "listen()\nprint('ready', flush=True)\nwait_for_ever()")
    code = f"""
from pathlib import Path
from taxiway.train.cluster import Launch, Policy, launch
launch(Launch(Path({str(tmp_path)!r}), 2, command={spec.command!r}, policy=Policy({PATIENCE_SECONDS}, 0.2)))
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert run.stdout is not None
    ready = [run.stdout.readline(), run.stdout.readline()]
    assert sorted(ready) == ["[worker 0] ready\n", "[worker 1] ready\n"]
    pids = [int(path.read_text()) for path in tmp_path.glob("pid.*")]
    watched = [os.pidfd_open(pid) for pid in pids]
    run.send_signal(number)
    run.stdout.close()
    assert run.wait(timeout=PATIENCE_SECONDS) != 0
    for one in watched:
        assert _ends(one)
        os.close(one)


def _ends(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], PATIENCE_SECONDS)[0])


def test_a_cluster_has_workers() -> None:
    with pytest.raises(InvalidArgument, match="at least one worker"):
        Launch(Path(), 0)


def test_it_runs_beside_the_main_thread(tmp_path: Path) -> None:
    lines: list[str] = []
    spec = job(tmp_path, "listen(); print('hi')", workers=1)
    thread = threading.Thread(target=lambda: launch(spec, write=lines.append))
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert lines == ["[worker 0] hi"]
