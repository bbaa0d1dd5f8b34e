"""Servers whose rollouts are run by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taxiway.journal import Event
from tests.unit.rollout.serving import Begin, Server


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Servers that are stopped in the end. Version 2 is held: it waits for its rollout."""
    monkeypatch.delenv("TAXIWAY_TOKEN", raising=False)
    begun: list[Server] = []

    def begin(**settings: Any) -> Server:
        if "rollout" not in settings and not begun:
            journal = tmp_path / "state"
            _hold(journal)
        begun.append(Server(tmp_path, **settings))
        return begun[-1]

    yield begin
    for server in begun:
        server.stop()


def _hold(state: Path) -> None:
    from taxiway.journal.sqlite import SqliteJournal

    journal = SqliteJournal(state / "journal.db")
    journal.append(Event("hold", "digits", "test", 0.0, {"version": 2}))
    journal.close()
