"""An executor like Python's own, but for one thing: the interpreter does not wait for its threads."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from taxiway.serve.daemons import DaemonExecutor
from tests.waiting import PATIENCE_SECONDS


def test_what_is_submitted_runs_and_its_result_or_error_is_told() -> None:
    executor = DaemonExecutor(2, "t")
    assert list(executor.map(lambda number: 2 * number, range(10))) == list(range(0, 20, 2))
    with pytest.raises(ValueError, match="no"):
        executor.submit(int, "no").result(PATIENCE_SECONDS)
    assert executor.submit(int, "11", base=2).result(PATIENCE_SECONDS) == 3
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(int)


def test_as_many_run_at_once_as_there_may_be_threads_and_no_more() -> None:
    executor, together = DaemonExecutor(3, "t"), threading.Barrier(3, timeout=PATIENCE_SECONDS)
    gate = threading.Event()

    def held() -> str:
        together.wait()
        assert gate.wait(PATIENCE_SECONDS)
        return threading.current_thread().name

    running = [executor.submit(held) for _ in range(3)]
    waits = executor.submit(threading.current_thread)
    while not all(one.running() for one in running):
        pass
    assert not waits.running() and not waits.done()
    gate.set()
    assert {one.result(PATIENCE_SECONDS) for one in running} == {"t_0", "t_1", "t_2"}
    assert waits.result(PATIENCE_SECONDS).daemon
    executor.shutdown()


def test_a_shutdown_leaves_what_runs_and_cancels_what_waits_when_told_to() -> None:
    executor, began, gate = DaemonExecutor(1, "t"), threading.Event(), threading.Event()

    def held() -> bool:
        began.set()
        return gate.wait(PATIENCE_SECONDS)

    running, waits = executor.submit(held), executor.submit(int)
    assert began.wait(PATIENCE_SECONDS)
    executor.shutdown(wait=False, cancel_futures=True)
    assert waits.cancelled() and running.running()
    gate.set()
    assert running.result(PATIENCE_SECONDS)
    kept = DaemonExecutor(1, "t")
    asked = [kept.submit(int, "7") for _ in range(5)]
    kept.shutdown()
    assert [one.result(0) for one in asked] == [7] * 5


def test_a_process_ends_though_something_runs_for_ever() -> None:
    code = """
import threading
from taxiway.serve import daemons
from taxiway.serve.daemons import DaemonExecutor
daemons._LAST_SECONDS = 0.2
executor, began = DaemonExecutor(1, "t"), threading.Event()
executor.submit(lambda: (began.set(), threading.Event().wait()))
began.wait()
executor.shutdown(wait=False, cancel_futures=True)
print("over", executor.settles(0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout) == (0, "over False\n"), done.stderr
