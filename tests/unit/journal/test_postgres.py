"""The journal in PostgreSQL keeps the contract, through crashes, several writers, and a database that stands still."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from taxiway.errors import Aborted, FailedPrecondition, InvalidArgument, TaxiwayError, Unavailable
from taxiway.journal import Event, Journal
from taxiway.journal.postgres import PostgresJournal
from taxiway.serve.api import open_journal
from taxiway.serve.following import Following
from taxiway.settings import ModelSettings
from taxiway.testing.journal import JournalContract
from tests.postgres import PASSWORD, Cluster, cluster, patient_journals
from tests.unit.serve.test_loop import World, rollback
from tests.waiting import PATIENCE_SECONDS, eventually


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as one:
        yield one


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database of a busy machine take its time, but where a test says ``in_a_hurry``."""
    patient_journals(monkeypatch)


@contextlib.contextmanager
def in_a_hurry(journal: PostgresJournal) -> Iterator[None]:
    """What the journal does in the block is given up after 0.3 s."""
    journal._answer_seconds = 0.3
    yield
    journal._answer_seconds = PATIENCE_SECONDS


@pytest.fixture
def url(server: Cluster) -> str:
    return server.own_url()


class TestPostgres(JournalContract):
    @pytest.fixture
    def journal(self, url: str) -> Iterator[Journal]:
        journal = open_journal(url)
        yield journal
        journal.close()


def _execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _event(version: int, who: str = "test") -> Event:
    return Event("hold", "m", who, 0.1 + version, {"version": version})


def test_what_was_kept_is_there_after_the_database_crashed_and_the_journal_goes_on(server: Cluster, url: str) -> None:
    journal = PostgresJournal(url)
    kept = [journal.append(_event(version)) for version in range(20)]
    server.kill()
    for _ in range(2):
        with pytest.raises(Unavailable, match="journal postgresql://taxiway@127.0.0.1") as caught:
            journal.append(_event(99))
        assert "Connection refused" in caught.value.message or "connection" in caught.value.message
    with pytest.raises(Unavailable):
        journal.read()
    server.start()
    eventually(lambda: _went_through(lambda: kept.append(journal.append(_event(20)))))
    assert journal.read() == kept
    journal.close()
    again = PostgresJournal(url)
    assert again.read() == kept
    assert again.append(_event(21)).id > kept[-1].id
    again.close()


def _went_through(call: Callable[[], object]) -> bool:
    """Make the call; whether the database is asked again by now."""
    try:
        call()
    except Unavailable:
        return False
    return True


def test_a_server_serves_on_while_its_database_is_away_and_comes_back_to_what_was_decided(
    server: Cluster, url: str
) -> None:
    world = _world(url)
    server.kill()
    with pytest.raises(Unavailable, match="cannot write the journal|cannot reach the journal"):
        rollback(world)
    assert world.plane.default("m") == 2 and "nothing can be changed" in world.loop.journal_problem
    world.see("m", 1, 2, 3)
    world.settle()
    assert world.plane.default("m") == 3
    server.start()
    eventually(lambda: _went_through(lambda: rollback(world, 1)))
    assert world.plane.default("m") == 1 and world.loop.journal_problem == ""
    again = _world(url)
    assert again.plane.default("m") == 1
    world.journal.close()
    again.journal.close()


def _world(url: str) -> World:
    """A server's loop with versions 1 and 2 of a model, and its journal in the database."""
    world = World(journal=open_journal(url))
    world.want(m=ModelSettings(keep_previous=0))
    for versions in ((1,), (1, 2)):
        world.see("m", *versions)
        world.settle()
    return world


def test_a_server_that_runs_follows_a_rollback_on_another(url: str) -> None:
    first, second = _world(url), _world(url)
    following = Following(second.loop, second.journal, second.clock)
    rollback(first, 1)
    assert (first.plane.default("m"), second.plane.default("m")) == (1, 2)
    following.look()
    second.settle()
    assert second.plane.default("m") == 1
    for world in (first, second):
        world.journal.close()


def test_a_connection_that_broke_while_idle_is_not_noticed(url: str) -> None:
    journal = PostgresJournal(url)
    kept = [journal.append(_event(1))]
    _end_backends(url)
    kept.append(journal.append(_event(2)))
    _end_backends(url)
    assert journal.read() == kept
    journal.close()


def _end_backends(url: str) -> None:
    _execute(
        url,
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE application_name = 'taxiway' AND pid <> pg_backend_pid()",
    )


def _append_many(journal: Journal, who: str) -> list[Event]:
    return [journal.append(_event(version, who)) for version in range(60)]


def test_two_writers_at_once_and_a_reader_by_id_misses_none(url: str) -> None:
    writers = [PostgresJournal(url), PostgresJournal(url)]
    reader = PostgresJournal(url)
    seen: list[Event] = []
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(_append_many, writer, who) for writer, who in zip(writers, "ab", strict=True)]
        while not all(one.done() for one in done):
            seen += reader.read(seen[-1].id if seen else 0)
    seen += reader.read(seen[-1].id if seen else 0)
    written = [event for one in done for event in one.result()]
    assert seen == reader.read() == sorted(written, key=lambda event: event.id)
    assert len(seen) == 120
    for journal in (*writers, reader):
        journal.close()


def test_an_append_waits_for_its_turn_and_gives_up_in_time(url: str) -> None:
    journal = PostgresJournal(url)
    with psycopg.connect(url) as other:
        other.execute(
            f"SELECT pg_advisory_xact_lock({0x7477 << 32} + 'taxiway_events'::regclass::oid::bigint)".encode()
        )
        with in_a_hurry(journal), pytest.raises(Unavailable, match="cannot write the journal"):
            journal.append(_event(1))
        assert journal.read() == []
    assert journal.read() == []
    assert journal.append(_event(1)) in journal.read()
    journal.close()


def test_a_database_that_stands_still_is_given_up_and_no_event_is_half_kept(url: str) -> None:
    journal = PostgresJournal(url)
    kept = journal.append(_event(1))
    # Not looked up in the database: journals that were closed before may not have left it yet.
    assert journal._connection is not None
    pid = journal._connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with in_a_hurry(journal), pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
            journal.append(_event(2))
    finally:
        os.kill(pid, signal.SIGCONT)
    after = journal.append(_event(3))
    assert journal.read() == [kept, after]
    journal.close()


def test_an_event_whose_commit_was_not_answered_is_in_doubt_and_stays(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it replaced went in the same moment, and other servers may have read it: taking it away would lose both."""
    journal = PostgresJournal(url)
    first, second = journal.append(_event(1)), journal.append(_event(2))
    execute = psycopg.Connection.execute

    def commit_and_break(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        answer = execute(self, query, *values, **options)
        if query == "COMMIT":
            self.close()
            raise psycopg.OperationalError("the connection broke")
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", commit_and_break)
        with pytest.raises(Unavailable, match="the connection broke; whether the change was kept is not known") as told:
            journal.append(_event(3), replaces=first.id)
    assert "taxiway history" in (told.value.hint or "")
    assert [event.data["version"] for event in journal.read()] == [2, 3]
    with pytest.raises(Aborted):
        journal.append(_event(4), after=second.id)
    journal.close()


@pytest.mark.parametrize("others", [False, True], ids=["alone", "with another writer"])
def test_a_commit_that_is_cut_off_is_looked_for_and_kept_once(
    url: str, monkeypatch: pytest.MonkeyPatch, *, others: bool
) -> None:
    """Also where another server appended meanwhile, which says nothing about the event that was kept before it."""
    journal, other = PostgresJournal(url), PostgresJournal(url)
    first = journal.append(_event(1))
    execute, late = psycopg.Connection.execute, threading.Event()
    cuts: list[Callable[[], None]] = []

    class Timer(threading.Timer):
        """One that tells what it will do, so that it is done just then and at no other time."""

        def __init__(self, seconds: float, cut: Callable[[], None]) -> None:
            super().__init__(seconds, cut)
            cuts.append(cut)

    def commit_and_hang(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        answer = execute(self, query, *values, **options)
        if query == "COMMIT" and self is journal._connection and not late.is_set():
            late.set()
            cut = cuts[-1]
            if others:
                other.append(_event(9))
            cut()
            eventually(lambda: _is_cut(self, execute))
        return answer

    monkeypatch.setattr(psycopg.Connection, "execute", commit_and_hang)
    monkeypatch.setattr(threading, "Timer", Timer)
    kept = journal.append(_event(2), 0, first.id)
    assert late.is_set()
    assert [event.data["version"] for event in journal.read()] == [1, 2, *([9] if others else [])]
    assert kept in journal.read()
    for one in (journal, other):
        one.close()


def _is_cut(connection: Any, execute: Any) -> bool:
    """Raises once the connection was cut off."""
    execute(connection, "SELECT 1")
    return False


def test_a_commit_that_broke_is_found_by_the_second_attempt(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = PostgresJournal(url)
    execute = psycopg.Connection.execute
    left = [1]

    def commit_and_break(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        answer = execute(self, query, *values, **options)
        if query == "COMMIT" and left:
            left.clear()
            _end_backends(url)
            return execute(self, "SELECT 1")
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", commit_and_break)
        kept = journal.append(_event(1))
    assert not left
    assert journal.read() == [kept]
    assert kept.id == 1
    journal.close()


def test_appends_wait_for_the_disk_though_the_database_is_set_not_to(url: str) -> None:
    _execute(url, "ALTER ROLE taxiway SET synchronous_commit = off")
    try:
        journal = PostgresJournal(url)
        assert journal._tried("read", lambda c: c.execute("SHOW synchronous_commit").fetchone()) == ("on",)
        journal.close()
    finally:
        _execute(url, "ALTER ROLE taxiway RESET synchronous_commit")


def test_a_newer_schema_is_refused(url: str) -> None:
    PostgresJournal(url).close()
    _execute(url, "UPDATE taxiway_schema SET version = 2")
    with pytest.raises(FailedPrecondition, match="written by a newer Taxiway"):
        PostgresJournal(url)


def test_long_journals_are_read_a_page_at_a_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taxiway.journal.postgres._PAGE", 2)
    journal = PostgresJournal(url)
    kept = [journal.append(_event(version)) for version in range(4)]
    assert journal.read() == kept
    assert journal.read(kept[0].id) == kept[1:]
    journal.close()


def test_a_user_who_may_not_write_is_told_so(server: Cluster, url: str) -> None:
    PostgresJournal(url).close()
    schema = url.rpartition("%3D")[2]
    _execute(url, f"CREATE ROLE onlooker LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO onlooker")
    with pytest.raises(FailedPrecondition, match="permission denied"):
        PostgresJournal(server.url(user="onlooker", password="x") + url.partition("?")[1] + url.partition("?")[2])


def test_what_is_wrong_stands_in_the_message_and_the_password_does_not(
    server: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    wrong = {
        server.url(password="open%20sesame"): (Unavailable, "password authentication failed"),
        server.url(database="nowhere"): (Unavailable, "nowhere"),
        "postgresql://u:open%20sesame@127.0.0.1:1/d": (Unavailable, "refused"),
    }
    for url, (kind, said) in wrong.items():
        with pytest.raises(kind, match=said) as caught:
            PostgresJournal(url)
        texts += [caught.value.message, caught.value.hint or "", str(caught.value.__cause__)]
    for hidden in (PASSWORD, "hush", "sesame"):
        assert not any(hidden in text for text in (*texts, caplog.text))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@secret@host/d",
        "postgresql://user:secret/secret@host/d",
        "postgresql://user:1234/secret@host/d",
        "postgresql://user:secret%zz@host/d",
        "postgresql://user:secret#secret@host:port/d",
        "postgresql://host/d?secret",
        "postgresql://host/d?secret=secret",
        "mysql://user:secret@host/d",
    ],
)
def test_a_wrong_url_is_refused_without_showing_any_of_it(url: str) -> None:
    with pytest.raises(InvalidArgument, match="no URL of a PostgreSQL database") as caught:
        PostgresJournal(url)
    assert "secret" not in caught.value.message and "percent-encode" in (caught.value.hint or "")
    assert caught.value.__cause__ is None


def test_without_psycopg_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(FailedPrecondition, match="needs the package psycopg") as caught:
        open_journal("postgresql://host/d")
    assert caught.value.hint == "pip install 'taxiway[postgres]'"


def test_a_serving_process_keeps_its_decisions_in_the_database(url: str, tmp_path: Path) -> None:
    import taxiway

    (tmp_path / "models").mkdir()
    with taxiway.serve(tmp_path / "models", state=url, admin_port=-1) as handle:
        assert handle.loop.journal_problem == ""
    with pytest.raises(TaxiwayError, match="cannot reach the journal"):
        taxiway.serve(tmp_path / "models", state="postgresql://u@127.0.0.1:1/d", admin_port=-1)
