"""A server's process ends by a signal, whichever thread the kernel gives it to, or when somebody says so."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from taxiway.serve.ending import Ending

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of threads are POSIX's")


def sent(number: signal.Signals, thread: int) -> None:
    signal.pthread_kill(thread, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_gets_ends_the_wait_of_the_main_one(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Ending() as ended:
        # A thread signals itself, as the kernel may choose it; the main one sleeps, or is about to.
        other = threading.Timer(0.1, lambda: sent(number, threading.get_ident()))
        other.start()
        assert not ended.is_set()
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
            sent(signal.SIGUSR1, threading.get_ident())
            other = threading.Timer(0.1, lambda: sent(signal.SIGTERM, threading.get_ident()))
            other.start()
            ended.wait()
            assert other.finished.is_set()
            other.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_second_signal_ends_at_once_where_that_is_wanted() -> None:
    with Ending(second_ends=True) as ended:
        sent(signal.SIGTERM, threading.get_ident())
        ended.wait()
        with pytest.raises(SystemExit) as raised:
            sent(signal.SIGTERM, threading.get_ident())
        assert raised.value.code == 128 + signal.SIGTERM
    with Ending() as ended:
        sent(signal.SIGTERM, threading.get_ident())
        sent(signal.SIGTERM, threading.get_ident())
        ended.wait()
