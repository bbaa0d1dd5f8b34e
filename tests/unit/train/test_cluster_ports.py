"""Ports of this machine: who listens at one."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from taxiway.train.cluster.ports import HOST, free_addresses, listens


def test_who_accepts_connections_listens_and_a_free_address_is_nobodys() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert listens(f"{HOST}:{server.getsockname()[1]}")
    first, second = free_addresses(2)
    assert first != second and not listens(first)


def test_a_connection_to_itself_is_nobody_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_itself(*_: Any, **__: Any) -> socket.socket:
        one = socket.socket()
        one.bind((HOST, 0))
        one.connect(one.getsockname())
        return one

    monkeypatch.setattr(socket, "create_connection", to_itself)
    assert not listens(f"{HOST}:1")
