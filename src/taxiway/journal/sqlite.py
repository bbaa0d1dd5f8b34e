"""A journal in one SQLite file. Written through to the disk with each event: an answered command survives a crash."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from taxiway.errors import FailedPrecondition, Unavailable
from taxiway.journal.event import UNTOLD, Event
from taxiway.journal.protocol import overtaken

__all__ = ["SqliteJournal"]

_SCHEMA = 1
_CREATE = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    format INTEGER NOT NULL,
    data TEXT NOT NULL
)
"""
_COLUMNS = "id, at, who, kind, model, format, data"


class SqliteJournal:
    """Events in a file.

    Args:
        path: the file; it and its directory are made when they are not there.

    Raises:
        FailedPrecondition: a newer Taxiway wrote it, or it is no journal.
        Unavailable: it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection: sqlite3.Connection | None = sqlite3.connect(
                self._path, check_same_thread=False, isolation_level=None
            )
            self._open(self._connection)
        except sqlite3.DatabaseError as error:
            raise self._refusal("open", error) from error
        except OSError as error:
            raise Unavailable(f"cannot open the journal {self._path}: {error.strerror}", hint="see --state") from error

    def _open(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > _SCHEMA:
            connection.close()
            raise FailedPrecondition(
                f"the journal {self._path} was written by a newer Taxiway", hint="upgrade, or give another --state"
            )
        connection.execute("PRAGMA journal_mode=WAL")
        # WAL's usual NORMAL may lose the last transactions when the machine loses power. An operator was told "done".
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_CREATE)
        connection.execute(f"PRAGMA user_version={_SCHEMA}")

    def append(self, event: Event, replaces: int = 0, after: int | None = None) -> Event:
        """Keep ``event`` on the disk."""
        values = (event.at, event.who, event.kind, event.model, event.format, json.dumps(dict(event.data)))
        with self._lock:
            connection = self._use()
            try:
                with _together(connection, several=bool(replaces) or after is not None):
                    newer = "SELECT 1 FROM events WHERE model = ? AND id > ? LIMIT 1"
                    if after is not None and connection.execute(newer, (event.model, after)).fetchone():
                        raise overtaken(event)
                    cursor = connection.execute(
                        "INSERT INTO events (at, who, kind, model, format, data) VALUES (?, ?, ?, ?, ?, ?)", values
                    )
                    if replaces:
                        connection.execute("DELETE FROM events WHERE id = ?", (replaces,))
            except sqlite3.Error as error:
                raise self._refusal("write", error) from error
            return replace(event, id=int(cursor.lastrowid or 0))

    def read(self, after: int = 0) -> list[Event]:
        """Events with an id above ``after``, oldest first."""
        return self._select("WHERE id > ? ORDER BY id", (after,))

    def recent(self, limit: int, model: str | None = None) -> list[Event]:
        """The newest events, newest first."""
        if model is None:
            return self._select("WHERE kind NOT IN (?, ?) ORDER BY id DESC LIMIT ?", (*UNTOLD, limit))
        return self._select("WHERE kind NOT IN (?, ?) AND model = ? ORDER BY id DESC LIMIT ?", (*UNTOLD, model, limit))

    def newest(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        return next(iter(self._select("WHERE kind = ? ORDER BY id DESC LIMIT 1", (kind,))), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _select(self, clause: str, values: Sequence[object]) -> list[Event]:
        with self._lock:
            try:
                found = self._use().execute(f"SELECT {_COLUMNS} FROM events {clause}", values).fetchall()
            except sqlite3.Error as error:
                raise self._refusal("read", error) from error
        return [
            Event(kind=kind, model=model, who=who, at=at, data=json.loads(data), id=number, format=shape)
            for number, at, who, kind, model, shape, data in found
        ]

    def _use(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unavailable(f"the journal {self._path} is closed")
        return self._connection

    def _refusal(self, verb: str, error: sqlite3.Error) -> FailedPrecondition | Unavailable:
        text = f"cannot {verb} the journal {self._path}: {error}"
        if isinstance(error, sqlite3.OperationalError):
            return Unavailable(text, hint="is the disk full, or the directory read-only?")
        return FailedPrecondition(text, hint="move the file away, or give another --state")


@contextlib.contextmanager
def _together(connection: sqlite3.Connection, *, several: bool) -> Iterator[None]:
    """One transaction, where there are ``several`` statements."""
    if not several:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
