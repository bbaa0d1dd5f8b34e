"""A command goes to the one server that was named, once, and its token to nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from taxiway.client import admin
from taxiway.client.admin import Admin
from taxiway.errors import Internal, Unavailable
from tests.waiting import PATIENCE_SECONDS, eventually, free_port

ADMIN = {"api": "taxiway admin", "version": "0", "ports": {}}


class Door(ThreadingHTTPServer):
    """A port that says who it is, and keeps what it was asked with the token that came along."""

    daemon_threads = True

    def __init__(self, port: int, who: dict[str, Any] | None, status: int = 200) -> None:
        self.who, self.status, self.asked = who, status, list[tuple[str, str, str | None]]()
        self.stalls, self.over = False, threading.Event()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        if self.path == "/api/who":
            assert "Authorization" not in self.headers
            self.send(404 if self.server.who is None else 200, self.server.who or {"error": "no such route"})
            return
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        if self.server.stalls:
            self.server.over.wait(PATIENCE_SECONDS)
            return
        self.send(self.server.status, {"done": True})

    do_GET = do_POST = answer

    def send(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def in_a_row() -> list[int]:
    """Three ports, one after the other, that nobody listens on."""
    ports = [free_port() for _ in range(3)]
    while ports[2] - ports[1] != 1 or ports[1] - ports[0] != 1:
        ports = [*ports[1:], free_port()]
    return ports


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    made: list[Door] = []
    yield made
    for door in made:
        door.over.set()
        door.shutdown()
        door.server_close()


def ask(port: int, seconds: float = PATIENCE_SECONDS) -> Any:
    return Admin(f"http://127.0.0.1:{port}", token="secret", timeout_seconds=seconds).change("m", "promote")


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers is waited for; what the command itself answers is given up soon."""
    exchange = admin._exchange

    def hurried(connection: http.client.HTTPConnection, method: str, path: str, *rest: Any) -> Any:
        if path != "/api/who" and connection.sock is not None:
            connection.sock.settimeout(0.5)
        return exchange(connection, method, path, *rest)

    monkeypatch.setattr(admin, "_exchange", hurried)


def test_the_admin_api_behind_a_rest_port_is_found_by_the_ports_that_it_tells(doors: list[Door]) -> None:
    rest, beside, _ = in_a_row()
    doors += [Door(rest, None), Door(beside, {**ADMIN, "ports": {"rest": rest}})]
    assert ask(rest) == ask(beside) == {"done": True}
    assert doors[0].asked == []
    assert doors[1].asked == [("POST", "/api/v1/models/m:promote", "Bearer secret")] * 2


def test_a_server_that_stands_still_is_not_passed_over(doors: list[Door]) -> None:
    stalled, after, _ = in_a_row()
    doors.append(Door(after, {**ADMIN, "ports": {"rest": stalled}}))
    with socket.create_server(("127.0.0.1", stalled)), pytest.raises(Unavailable, match="nothing was asked of it"):
        ask(stalled, 0.5)
    assert doors[0].asked == []


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize("ends", ["no answer in time", "closed"])
def test_a_command_without_an_answer_may_have_been_done_and_is_not_given_again(doors: list[Door], ends: str) -> None:
    port, after, _ = in_a_row()
    doors += [Door(port, ADMIN), Door(after, {**ADMIN, "ports": {"rest": port}})]
    doors[0].stalls = True
    if ends == "closed":
        doors[0].over.set()
    with pytest.raises(Unavailable, match="it may have been done") as caught:
        ask(port)
    assert caught.value.hint == "taxiway history m, or taxiway rollout status m, shows whether it was done"
    # It was sent; the door may be slower to note it than we are to give up.
    eventually(lambda: doors[0].asked)
    assert [len(door.asked) for door in doors] == [1, 0]
    with pytest.raises(Unavailable, match="was asked and did not answer") as caught:
        Admin(f"http://127.0.0.1:{port}", timeout_seconds=PATIENCE_SECONDS).get("status")
    assert "done" not in caught.value.message


def test_the_admin_api_of_another_server_gets_neither_command_nor_token(doors: list[Door]) -> None:
    gone, theirs, stranger = in_a_row()
    doors += [Door(theirs, {**ADMIN, "ports": {"rest": theirs - 9, "grpc": None}}), Door(stranger, {"api": "else"})]
    with pytest.raises(Unavailable, match=f"is of a server with the ports rest {theirs - 9}, not of") as caught:
        ask(gone)
    assert caught.value.hint == f"if that is the one you mean: --server http://127.0.0.1:{theirs}"
    with pytest.raises(Unavailable, match="no admin API answers at"):
        ask(stranger)
    assert [door.asked for door in doors] == [[], []]


def test_an_answer_that_is_none_of_ours_is_the_end_of_it(doors: list[Door]) -> None:
    port, after, _ = in_a_row()
    doors += [Door(port, ADMIN, status=500), Door(after, ADMIN)]
    with pytest.raises(Internal, match="answers POST /api/v1/models/m:promote with status 500"):
        ask(port)
    assert doors[1].asked == []
