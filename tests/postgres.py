"""A PostgreSQL server for tests: its own directory, a free port of the loopback address, no system service."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from taxiway.journal.postgres import PostgresJournal
from tests.waiting import PATIENCE_SECONDS, eventually, free_port

__all__ = ["PASSWORD", "Cluster", "cluster", "patient_journals"]

PASSWORD = "hush hush@/:%"
_QUOTED = "hush%20hush%40%2F%3A%25"


class Cluster:
    """A database server that can be ended like a power cut ends one, and started again."""

    def __init__(self, binaries: Path, home: Path, become: list[str]) -> None:
        self._binaries = binaries
        self._home = home
        self._become = become
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self.port = free_port()

    def url(self, database: str = "postgres", user: str = "taxiway", password: str = _QUOTED) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def own_url(self) -> str:
        """A database of one's own, as far as a journal can tell: a new schema."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def make(self) -> None:
        secret = self._home / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        how = ["-D", str(self._data), "-U", "taxiway", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8"]
        done = subprocess.run(
            [*self._become, str(self._binaries / "initdb"), *how, "--locale=C", "--no-sync", "--no-instructions"],
            capture_output=True, text=True, cwd=self._home, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        secret.unlink()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        terms = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._home,
                 "shared_buffers": "8MB", "max_connections": 20, "autovacuum": "off", "timezone": "UTC"}  # fmt: skip
        log = (self._home / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*self._become, str(self._binaries / "postgres"), "-D", str(self._data),
                 *(part for key, value in terms.items() for part in ("-c", f"{key}={value}"))],
                stdout=log, stderr=log, cwd=self._home,
            )  # fmt: skip
        eventually(self._ready)

    def kill(self) -> None:
        """End the server at once, without a word to anyone, as a crash does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        # The others notice by themselves, and a start refuses while any of them holds the shared memory.
        self._others_gone()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._home / "log").read_text()
        asked = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, timeout=60).returncode == 0

    def _others_gone(self) -> None:
        def gone() -> bool:
            for process in Path("/proc").iterdir():
                with contextlib.suppress(OSError):
                    if process.name.isdigit() and (process / "cwd").resolve() == self._data.resolve():
                        return False
            return True

        eventually(gone)


def patient_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have journals wait for the database of a busy machine, where a test gives no time of its own."""
    defaults = PostgresJournal.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "answer_seconds", float(PATIENCE_SECONDS))
    monkeypatch.setattr("taxiway.journal.postgres._CONNECT_SECONDS", PATIENCE_SECONDS)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server; skips where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None or not Path("/proc/self").exists():
        pytest.skip("PostgreSQL is not installed, or this is not Linux")
    # Not tmp_path: its parents are closed to other users, and PostgreSQL refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="taxiway-pg-"))
    become: list[str] = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(home, user.pw_uid, user.pw_gid)
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    one = Cluster(Path(initdb).resolve().parent, home, become)
    try:
        one.make()
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(home, ignore_errors=True)
