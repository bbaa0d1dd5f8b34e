"""A server's process ends by a signal, whichever thread the kernel gives it to, or when somebody says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from taxiway.serve.ending import Ending
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of threads are POSIX's")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_gets_ends_the_wait_of_the_main_one(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Ending() as ended:
        # A thread signals itself, as the kernel may choose it; the main one sleeps, or is about to.
        other = threading.Timer(0.1, signal.raise_signal, [number])
        assert not ended.is_set()
        other.start()
        ended.wait()
        assert ended.is_set()
        other.join()
    assert signal.getsignal(number) is before


def test_somebody_says_so_before_or_while_it_is_waited_for() -> None:
    with Ending() as ended:
        other = threading.Timer(0.1, ended.set)
        other.start()
        ended.wait()
        other.join()
        ended.wait()
    ended.set()
    assert ended.is_set()


def test_other_signals_do_not_end_it() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with Ending() as ended:
            signal.raise_signal(signal.SIGUSR1)
            later = threading.Event()

            def end() -> None:
                later.set()
                signal.raise_signal(signal.SIGTERM)

            other = threading.Timer(0.1, end)
            other.start()
            ended.wait()
            assert later.is_set()
            other.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


SECOND = """
import os, signal, sys, threading
from taxiway.serve.ending import Ending
with Ending(second_ends=True) as ended:
    ended.run(lambda: os.kill(os.getpid(), signal.SIGTERM))
    ended.wait()
    print("first", ended.run(lambda: 7), flush=True)
    print("for ever")
    ended.run(lambda: (os.kill(os.getpid(), signal.SIGTERM), threading.Event().wait()))
"""


def test_a_second_signal_ends_at_once_where_that_is_wanted() -> None:
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "first 7\nfor ever\n"), done.stderr
    with Ending() as ended:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        ended.wait()


def test_what_is_run_beside_it_raises_where_it_was_asked_for() -> None:
    with Ending() as ended, pytest.raises(ValueError, match="no"):
        ended.run(lambda: int("no"))
