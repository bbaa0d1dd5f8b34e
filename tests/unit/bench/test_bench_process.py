"""Servers that the bench starts are waited for, and always ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.process import Process, StartFailed, free_ports
from tests.waiting import PATIENCE_SECONDS

_FOREVER = "import signal; print('up', flush=True); signal.pause()"


def test_ready_when_the_probe_says_so_and_gone_afterwards(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Process([sys.executable, "-c", _FOREVER], log) as server:
        seconds = server.wait_until(lambda: "up" in log.read_text(), PATIENCE_SECONDS)
        assert seconds > 0
        assert server.rss_mib() > 1
        assert 0 <= server.cpu_seconds() <= seconds + 1
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_ends_is_reported_with_what_it_said(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; print('no such model'); sys.exit(3)"]
    with Process(argv, tmp_path / "log") as server, pytest.raises(StartFailed, match=r"exited with 3:\nno such model"):
        server.wait_until(lambda: False, PATIENCE_SECONDS)


def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    with (
        Process([sys.executable, "-c", _FOREVER], tmp_path / "log") as server,
        pytest.raises(StartFailed, match="not ready after 0 s"),
    ):
        server.wait_until(lambda: False, 0.05)


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _FOREVER
    log = tmp_path / "log"
    server = Process([sys.executable, "-c", f"{code}\nwhile True: signal.pause()"], log)
    server.wait_until(lambda: "up" in log.read_text(), PATIENCE_SECONDS)
    assert server.stop(drain_seconds=0.1) == -9


def test_free_ports_differ() -> None:
    assert len(set(free_ports(8))) == 8
