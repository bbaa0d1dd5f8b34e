"""A journal in a PostgreSQL database, which several servers may share and which outlives their disks.

An append is one transaction, on the database's disk before it returns. Appends take turns, whoever makes them: the
lock is given back when the event can be seen, so ids grow in the order of commits, and a reader that goes on after the
last id it saw misses none.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from taxiway.clock import Clock, SystemClock
from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError, Unavailable
from taxiway.journal.event import UNTOLD, Event
from taxiway.journal.protocol import overtaken

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["PostgresJournal"]

_T = TypeVar("_T")
_SCHEMA = 1
# The number of the advisory lock while tables are made, "tw"; with the table's number added, while events are.
_LOCK = 0x7477 << 32
_CONNECT_SECONDS = 3
# After an attempt to connect that took a while, how many times as long none is made: who waits for the journal (the
# loop that loads versions) must not spend its time on a database that swallows packets.
_PAUSE_FACTOR = 4.0
# How many events are read at once.
_PAGE = 5_000
_CREATE = (
    "CREATE TABLE taxiway_schema (version integer NOT NULL)",
    """
    CREATE TABLE taxiway_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        token uuid NOT NULL UNIQUE,
        at double precision NOT NULL,
        who text NOT NULL,
        kind text NOT NULL,
        model text NOT NULL,
        format integer NOT NULL,
        data text NOT NULL
    )
    """,
    f"INSERT INTO taxiway_schema (version) VALUES ({_SCHEMA})",
)
_COLUMNS = "id, at, who, kind, model, format, data"
# Of this transaction only, so that it holds behind a pooler too. An operator was told "done": a database that is set
# not to wait for its disk waits for these events.
_TERMS = """
SELECT set_config('statement_timeout', %(limit)s, true), set_config('lock_timeout', %(limit)s, true),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, true)
"""
_TURN = "SELECT pg_advisory_xact_lock(%s + 'taxiway_events'::regclass::oid::bigint)"
# By its token a second attempt at the same event finds the first one, should that have been kept.
_KEPT = "SELECT id FROM taxiway_events WHERE token = %s"
_NEWER = "SELECT id FROM taxiway_events WHERE model = %s AND id > %s LIMIT 1"
_INSERT = """
INSERT INTO taxiway_events (token, at, who, kind, model, format, data) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
# As libpq splits it, but an @ or / that was left unescaped in a password is refused instead of taken for a host, which
# would then stand in messages.
_URL = re.compile(
    r"postgres(?:ql)?://(?:[^:@/]*(?::[^@/]*)?@)?(?P<hosts>[^/?@]*)(?:/[^/?@]*)?(?:\?(?:[^=&?]+=[^=&?]*(?:&|$))*)?"
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(?::[0-9]*)?")


class PostgresJournal:
    """Events in the tables ``taxiway_events`` and ``taxiway_schema`` of a database; they are made when not there.

    A connection that breaks is made anew with the next call; until the database answers again, calls raise
    ``Unavailable``. When one breaks just as an event is committed, the event is looked for over a new one; while there
    is none to be had, the error says that it is not known whether the event was kept. If it was, it stays.

    Args:
        url: ``postgresql://user@host:port/database?key=value``, as libpq takes it, which also looks into its
            environment variables and password file. Messages show neither its password nor its keys.
        answer_seconds: how long one transaction may take before its connection is given up.
        clock: says when the next attempt to connect may be made.

    Raises:
        FailedPrecondition: a newer Taxiway wrote it, its user may not, or psycopg is not installed.
        InvalidArgument: the URL is wrong.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str, *, answer_seconds: float = 5.0, clock: Clock | None = None) -> None:
        self._client = _import()
        self._terms, self._where = _read(self._client, url)
        self._answer_seconds = answer_seconds
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._not_before = 0.0
        self._problem = ""
        # Whether COMMIT was sent and not answered.
        self._committing = False
        with self._lock:
            self._connected()

    def append(self, event: Event, replaces: int = 0, after: int | None = None) -> Event:
        """Keep ``event`` on the database's disk."""
        token, attempts = uuid.uuid4(), itertools.count()
        values = (token, event.at, event.who, event.kind, event.model, event.format, json.dumps(dict(event.data)))

        def insert(connection: Connection) -> int | None:
            connection.execute(_TURN, (_LOCK,))
            if next(attempts) and (kept := _one(connection.execute(_KEPT, (token,)))) is not None:
                return int(kept)
            if after is not None and _one(connection.execute(_NEWER, (event.model, after))) is not None:
                return None
            if replaces:
                connection.execute("DELETE FROM taxiway_events WHERE id = %s", (replaces,))
            return int(_one(connection.execute(_INSERT, values)))

        number = self._tried("write", insert)
        if number is None:
            raise overtaken(event)
        return replace(event, id=number)

    def read(self, after: int = 0) -> list[Event]:
        """Events with an id above ``after``, oldest first."""
        events: list[Event] = []
        while True:
            # A page a transaction: however long the journal has become, each is answered in time.
            page = self._select("WHERE id > %s ORDER BY id LIMIT %s", (events[-1].id if events else after, _PAGE))
            events += page
            if len(page) < _PAGE:
                return events

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest events, newest first."""
        if model is None:
            return self._select("WHERE kind <> ALL(%s) ORDER BY id DESC LIMIT %s", (list(UNTOLD), limit))
        clause = "WHERE kind <> ALL(%s) AND model = %s ORDER BY id DESC LIMIT %s"
        return self._select(clause, (list(UNTOLD), model, limit))

    def newest(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        return next(iter(self._select("WHERE kind = %s ORDER BY id DESC LIMIT 1", (kind,))), None)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._drop()

    def _select(self, clause: str, values: Sequence[object]) -> list[Event]:
        statement = f"SELECT {_COLUMNS} FROM taxiway_events {clause}".encode()
        found = self._tried("read", lambda connection: connection.execute(statement, values).fetchall())
        return [
            Event(kind=kind, model=model, who=who, at=at, data=json.loads(data), id=number, format=shape)
            for number, at, who, kind, model, shape, data in found
        ]

    def _tried(self, verb: str, work: Callable[[Connection], _T]) -> _T:
        """What ``work`` returns from a transaction; a second one when the connection broke, as an idle one may."""
        with self._lock:
            doubt = False
            for last in (False, True):
                over = threading.Event()
                try:
                    connection = self._connected()
                    return self._transact(connection, work, over)
                except self._client.Error as error:
                    doubt = doubt or (verb == "write" and self._committing)
                    gone = connection.broken and not over.is_set()
                    # Whatever it was, a new connection is in no strange state, and may lead to another server.
                    self._drop()
                    if last or not (gone or doubt):
                        raise self._refusal(verb, error, over, doubt=doubt) from error
                except Unavailable as error:
                    raise _in_doubt(error) if doubt else error from error.__cause__
        raise AssertionError("unreachable")

    def _transact(self, connection: Connection, work: Callable[[Connection], _T], over: threading.Event) -> _T:
        # Each statement is awaited before the next is sent, so nothing is kept unless COMMIT was sent, and by then the
        # turn is taken: whoever has the next turn sees what became of this one.
        self._committing = False
        with _cut_after(connection, self._answer_seconds, over):
            connection.execute("BEGIN")
            connection.execute(_TERMS, {"limit": f"{max(1, round(self._answer_seconds * 1000))}ms"})
            result = work(connection)
            self._committing = True
            connection.execute("COMMIT")
            self._committing = False
        return result

    def _connected(self) -> Connection:
        if self._closed:
            raise Unavailable(f"the journal {self._where} is closed")
        if self._connection is not None:
            return self._connection
        began = self._clock.monotonic()
        if began < self._not_before:
            raise Unavailable(f"cannot reach the journal {self._where}: {self._problem}", hint=_HINT)
        over = threading.Event()
        try:
            connection: Connection = self._client.connect(**self._terms, autocommit=True, prepare_threshold=None)
        except self._client.Error as error:
            ended = self._clock.monotonic()
            self._not_before = ended + _PAUSE_FACTOR * (ended - began)
            self._problem = _said(error)
            raise self._refusal("reach", error, over) from error
        try:
            self._transact(connection, self._prepare, over)
        except self._client.Error as error:
            connection.close()
            raise self._refusal("open", error, over) from error
        except TaxiwayError:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _prepare(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if _one(connection.execute("SELECT to_regclass('taxiway_schema')")) is None:
            for statement in _CREATE:
                connection.execute(statement.encode())
        elif int(_one(connection.execute("SELECT max(version) FROM taxiway_schema")) or 0) > _SCHEMA:
            raise FailedPrecondition(
                f"the journal {self._where} was written by a newer Taxiway", hint="upgrade, or give another --state"
            )

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _refusal(
        self, verb: str, error: psycopg.Error, over: threading.Event, *, doubt: bool = False
    ) -> FailedPrecondition | Unavailable:
        said = f"no answer within {self._answer_seconds:g} s" if over.is_set() else _said(error)
        text = f"cannot {verb} the journal {self._where}: {said}"
        client = self._client
        if doubt:
            return _in_doubt(Unavailable(text))
        if isinstance(error, (client.OperationalError, client.InternalError, client.InterfaceError)):
            return Unavailable(text, hint=_HINT)
        return FailedPrecondition(
            text, hint="its user makes the tables taxiway_events and taxiway_schema, reads, inserts and deletes"
        )


_HINT = "is the database running, and are the address, the user and the password in --state right?"


def _in_doubt(error: Unavailable) -> Unavailable:
    return Unavailable(
        f"{error.message}; whether the change was kept is not known",
        hint="taxiway history shows it when the database answers again; if it was kept, it holds from then on",
    )


def _import() -> Any:
    try:
        import psycopg
    except ImportError:
        raise FailedPrecondition(
            "A journal in PostgreSQL needs the package psycopg, which is not installed.",
            hint="pip install 'taxiway[postgres]'",
        ) from None
    return psycopg


def _read(client: Any, url: str) -> tuple[dict[str, Any], str]:
    """What to connect with, and what to call the place in messages: the URL without its password and keys.

    Raises:
        InvalidArgument: it is no such URL. The message shows nothing of it: any part may be a piece of a password.
    """
    wrong = InvalidArgument(
        "state is no URL of a PostgreSQL database",
        hint="postgresql://USER@HOST:PORT/DATABASE; percent-encode @ : / ? # % in a password (@ is %40)",
    )
    match = _URL.fullmatch(url)
    if match is None or not all(_HOST.fullmatch(host) for host in match["hosts"].split(",")):
        raise wrong
    try:
        given: dict[str, Any] = client.conninfo.conninfo_to_dict(url)
    except client.Error:
        raise wrong from None
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    where = f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
    ours = {
        "connect_timeout": _CONNECT_SECONDS,
        "fallback_application_name": "taxiway",
        # What is sent and not acknowledged for so long ends the connection, also while nobody waits for an answer.
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 30,
    }
    return {**ours, **given, "client_encoding": "utf8"}, where


@contextlib.contextmanager
def _cut_after(connection: Connection, seconds: float, over: threading.Event) -> Iterator[None]:
    """End the connection when the block takes longer; ``over`` says that it came to that.

    The timeouts inside the database do not help against a machine that is gone or a process that stands still.
    """
    try:
        # A descriptor of its own: the connection may close its one, and the number be another file's, at any time.
        line = socket.socket(fileno=os.dup(connection.fileno()))
    except OSError as error:
        raise Unavailable(f"cannot watch the connection of the journal: {error.strerror}") from error

    def cut() -> None:
        over.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        line.close()


def _one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]


def _said(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()) or type(error).__name__
