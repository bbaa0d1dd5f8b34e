"""The admin API over a real port, with a fake data plane behind it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from taxiway.cli.main import main
from taxiway.errors import InvalidArgument
from taxiway.serve.admin import ROUTES, openapi, read_token
from taxiway.serve.api import ServeHandle, sort_paths, start
from taxiway.settings import read_settings
from taxiway.testing import FakeDataPlane, write_saved_model


def begin(tmp_path: Path, **settings: Any) -> ServeHandle:
    for version in (1, 2):
        if not (tmp_path / "models" / "digits" / str(version)).exists():
            write_saved_model(tmp_path / "models" / "digits" / str(version))
    values = {"admin_port": 0, "state": str(tmp_path / "state"), "quiet_seconds": 0.0, **settings}
    handle = start(read_settings(environ={}, server=values), sort_paths(tmp_path / "models"), FakeDataPlane())
    assert handle.wait_settled(30)
    handle.start_admin()
    return handle


@pytest.fixture
def handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServeHandle]:
    monkeypatch.delenv("TAXIWAY_TOKEN", raising=False)
    with begin(tmp_path) as handle:
        yield handle


def call(handle: ServeHandle, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    parts = urlsplit(str(handle.admin_url))
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, path, text, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_status(handle: ServeHandle) -> None:
    code, document = call(handle, "GET", "/api/v1/status")
    assert (code, document["models"][0]["default"], document["models"][0]["name"]) == (200, 2, "digits")
    assert call(handle, "GET", "/api/v1/models/digits")[1]["versions"][0]["state"] == "AVAILABLE"


def test_rollback_and_its_history_and_release(handle: ServeHandle) -> None:
    code, done = call(handle, "POST", "/api/v1/models/digits:rollback", {"wait_seconds": 30, "who": "ann"})
    assert (code, done["from"], done["to"], done["done"]) == (200, 2, 1, True)
    event = call(handle, "GET", "/api/v1/history?limit=5&model=digits")[1]["events"][0]
    assert (event["kind"], event["who"]) == ("rollback", "ann from 127.0.0.1")
    assert call(handle, "POST", "/api/v1/models/digits:release", {})[1]["held"] == []
    assert handle.wait_default("digits", 2, 30)
    assert call(handle, "POST", "/api/v1/models/digits:hold", {"version": 2})[1]["held"] == [2]
    assert handle.wait_default("digits", 1, 30)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/api/v1/models/none", None, 404),
        ("GET", "/api/v1/nothing", None, 404),
        ("POST", "/api/v1/status", "{}", 404),
        ("POST", "/api/v1/models/none:rollback", "{}", 404),
        ("POST", "/api/v1/models/digits:rollback", '{"to": 9}', 404),
        ("POST", "/api/v1/models/digits:rollback", '{"to": 2}', 400),
        ("POST", "/api/v1/models/digits:rollback", '{"to": "1"}', 400),
        ("POST", "/api/v1/models/digits:rollback", '{"to": true}', 400),
        ("POST", "/api/v1/models/digits:rollback", '{"too": 1}', 400),
        ("POST", "/api/v1/models/digits:rollback", '{"wait_seconds": 1e9}', 400),
        ("POST", "/api/v1/models/digits:rollback", "[" * 60_000, 400),
        ("POST", "/api/v1/models/digits:rollback", "x" * 70_000, 400),
        ("POST", "/api/v1/models/digits:rollback", "[]", 400),
        ("POST", "/api/v1/models/digits:hold", "{}", 400),
        ("GET", "/api/v1/history?limit=-1", None, 400),
        ("GET", "/api/v1/history?limit=0", None, 400),
    ],
)
def test_refusals(handle: ServeHandle, method: str, path: str, body: str | None, code: int) -> None:
    given, document = call(handle, method, path, body)
    assert given == code, document
    assert document["error"] and document["kind"]
    assert handle.status("digits")[0]["default"] == 2


def test_pages_in_a_browser_are_refused(handle: ServeHandle) -> None:
    assert call(handle, "GET", "/api/v1/status", Host="evil.example")[0] == 403
    assert call(handle, "POST", "/api/v1/models/digits:rollback", {}, Origin="https://evil.example")[0] == 403


def test_a_token_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.delenv("TAXIWAY_TOKEN", raising=False)
    with begin(tmp_path, token_file=str(tmp_path / "token"), host="0.0.0.0") as handle:
        assert call(handle, "GET", "/api/v1/status")[0] == 401
        assert call(handle, "GET", "/api/v1/status", Authorization="Bearer wrong")[0] == 401
        assert call(handle, "GET", "/api/v1/status", Authorization="Bearer secret")[0] == 200
        assert main(["status", "--server", str(handle.admin_url)]) == 1
        assert "error: a bearer token is needed" in capsys.readouterr().err
        monkeypatch.setenv("TAXIWAY_TOKEN", "secret")
        assert main(["status", "--server", str(handle.admin_url)]) == 0


def test_who_answers_is_told_to_all_and_by_the_ports_that_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAXIWAY_TOKEN", "secret")
    with begin(tmp_path) as handle:
        handle._addresses = {"rest": "0.0.0.0:8501"}
        code, who = call(handle, "GET", "/api/who")
        assert (code, who["api"], who["ports"]) == (200, "taxiway admin", {"rest": 8501, "grpc": None})


def test_without_a_token_the_port_is_only_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAXIWAY_TOKEN", raising=False)
    with begin(tmp_path, host="0.0.0.0") as handle:
        assert handle._admin is not None
        assert handle._admin._socket.getsockname()[0] == "127.0.0.1"


def test_tokens() -> None:
    assert read_token("", {"TAXIWAY_TOKEN": "t"}) == "t"
    assert read_token("", {}) is None
    with pytest.raises(InvalidArgument):
        read_token("/nowhere/token", {})


def test_openapi_has_every_route(handle: ServeHandle) -> None:
    code, document = call(handle, "GET", "/api/openapi.json")
    assert (code, document) == (200, openapi())
    assert {(m.upper(), p) for p, row in document["paths"].items() for m in row} == {(r.method, r.path) for r in ROUTES}


def test_a_restart_keeps_the_rollback(tmp_path: Path, handle: ServeHandle) -> None:
    handle.rollback("digits", wait_seconds=30)
    handle.stop()
    with begin(tmp_path) as again:
        assert again.status("digits")[0]["default"] == 1


def test_what_the_commands_print(handle: ServeHandle, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--server", str(handle.admin_url)]

    def lines(*arguments: str) -> list[str]:
        assert main([*arguments, *where]) == 0
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    assert lines("status") == [
        "MODEL   VERSION  STATE      SHARE  ENGINE  LOAD MS  RUN US  NOTE",
        "digits      * 2  AVAILABLE  100 %  fake          1      10",
        "              1  IDLE",
    ]
    assert lines("rollback", "digits") == ["digits: version 1 answers, version 2 is held"]
    assert lines("hold", "digits", "7") == ["digits: held versions: 2, 7"]
    assert lines("release", "digits", "7") == ["digits: held versions: 2"]
    heading, newest, *_, oldest = lines("history")
    assert heading.split() == ["WHEN", "(UTC)", "MODEL", "WHAT", "DETAIL", "WHO"]
    assert newest.split()[2:5] == ["digits", "release", "7"]
    assert oldest.split()[2:8] == ["digits", "rollback", "from", "2", "to", "1"]
    assert json.loads("\n".join(lines("status", "digits", "--json")))[0]["pinned"] == 1
    assert main(["rollback", "digits", *where]) == 1
    assert capsys.readouterr().err == (
        "error: digits has no version before 1 to go back to\nhint: publish one, or say which with --to\n"
    )


def test_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--server", "http://127.0.0.1:9"]) == 1
    assert "hint: is the server running?" in capsys.readouterr().err
    assert main(["history", "--server", "ftp://x"]) == 2
