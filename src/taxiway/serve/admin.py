"""The admin API, ``/api/v1/…``: what operators and their tools call. Its own port, its own thread, imported late.

Who may call: with a token (``TAXIWAY_TOKEN``, or the file that ``token_file`` names), who sends it as a bearer token.
Without one, only this machine: the port is then opened on loopback whatever the serving ports listen on, and pages in
a browser on this machine are refused.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taxiway import __version__
from taxiway.errors import InvalidArgument, NotFound, PermissionDenied, TaxiwayError, Unauthenticated, Unavailable
from taxiway.serve.admin_rollouts import ROLLOUT_ROUTES
from taxiway.serve.operations import WHO, Call, Operation
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

__all__ = ["ROUTES", "AdminServer", "Call", "application", "openapi", "read_token"]

MAX_BODY_BYTES = 64 * 1024
LONGEST_HISTORY = 1000
_WHO = "/api/who"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def _status(call: Call) -> JsonObject:
    handle = call.handle
    addresses = {"rest": handle.url or None, "grpc": handle.grpc_url or None, "admin": handle.admin_url}
    return {
        "version": __version__,
        "addresses": addresses,
        "models": handle.status(),
        "stats": handle.stats(),
        "journal_problem": handle.loop.journal_problem,
    }


def _who(handle: ServeHandle) -> JsonObject:
    """Asked before anybody sends a token here, so it is told to all: that this is an admin API, and whose."""
    urls = {"rest": handle.url, "grpc": handle.grpc_url}
    return {
        "api": "taxiway admin",
        "version": __version__,
        "ports": {name: urlsplit(url).port for name, url in urls.items()},
    }


def _model(call: Call) -> JsonObject:
    found = call.handle.status(call.model)
    if not found:
        raise NotFound(f"no such model: {call.model}")
    return found[0]


def _rollback(call: Call) -> JsonObject:
    return call.handle.operator.rollback(call.model, call.version("to"), call.who, call.wait_seconds())


def _hold(call: Call) -> JsonObject:
    version = call.version("version")
    if version is None:
        raise InvalidArgument("version must be given")
    return call.handle.operator.hold(call.model, version, call.who)


def _release(call: Call) -> JsonObject:
    return call.handle.operator.release(call.model, call.version("version"), call.who)


def _history(call: Call) -> JsonObject:
    text = call.query.get("limit", "50")
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(f"limit must be a number, not {text!r}")
    limit = min(int(text), LONGEST_HISTORY)
    return {"events": call.handle.operator.history(limit, call.query.get("model"))}


ROUTES = (
    Operation("GET", "/api/v1/status", "Every model, its versions, and counters.", _status, {}),
    Operation("GET", "/api/v1/models/{model}", "One model and its versions.", _model, {}),
    Operation(
        "POST",
        "/api/v1/models/{model}:rollback",
        "Put an earlier version back and hold the one it replaces.",
        _rollback,
        {
            "to": ("integer", "The version; the newest earlier one when left out."),
            "wait_seconds": ("number", "How long to wait when it must be loaded first."),
            "who": WHO,
        },
    ),
    Operation(
        "POST",
        "/api/v1/models/{model}:hold",
        "Keep a version from being chosen.",
        _hold,
        {"version": ("integer", "The version."), "who": WHO},
    ),
    Operation(
        "POST",
        "/api/v1/models/{model}:release",
        "Let a held version be chosen again.",
        _release,
        {"version": ("integer", "The version; all, and the end of a rollback, when left out."), "who": WHO},
    ),
    Operation(
        "GET",
        "/api/v1/history",
        "The newest changes, newest first.",
        _history,
        {"limit": ("integer", "At most how many; 50 when left out."), "model": ("string", "Of this model only.")},
    ),
    *ROLLOUT_ROUTES,
)


def openapi() -> JsonObject:
    """The OpenAPI document of :data:`ROUTES`."""
    paths: dict[str, dict[str, Any]] = {}
    for row in ROUTES:
        paths.setdefault(row.path, {})[row.method.lower()] = _described(row)
    return {"openapi": "3.1.0", "info": {"title": "Taxiway admin API", "version": __version__}, "paths": paths}


def _described(row: Operation) -> JsonObject:
    members = {name: {"type": kind, "description": text} for name, (kind, text) in row.parameters.items()}
    in_path = [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]
    parameters = in_path if "{model}" in row.path else []
    described: dict[str, Any] = {"summary": row.summary, "responses": {"200": {"description": "Done."}}}
    if row.method == "POST":
        schema = {"type": "object", "properties": members, "additionalProperties": False}
        described["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    else:
        parameters = parameters + [
            {"name": name, "in": "query", "description": text, "schema": {"type": kind}}
            for name, (kind, text) in row.parameters.items()
        ]
    return {**described, "parameters": parameters}


def application(handle: ServeHandle, token: str | None) -> Starlette:
    """The routes for one server."""

    async def describe(_: Request) -> Response:
        return JSONResponse(openapi())

    async def say_who(_: Request) -> Response:
        return JSONResponse(_who(handle))

    routes = [Route("/api/openapi.json", describe), Route(_WHO, say_who)]
    routes += [Route(_pattern(row.path), _endpoint(row, handle, token), methods=[row.method]) for row in ROUTES]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})


def _pattern(path: str) -> str:
    return path.replace("{model}", "{model:str}")


async def _not_found(request: Request, _: Exception) -> Response:
    return _refused(NotFound(f"no such route: {request.method} {request.url.path}", hint="GET /api/openapi.json"))


def _endpoint(row: Operation, handle: ServeHandle, token: str | None) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            _admit(request, token)
            body = await _body(request, row) if row.method == "POST" else {}
            caller = request.client.host if request.client else "unknown"
            who = f"{body.get('who') or 'api'} from {caller}"
            call = Call(handle, request.path_params.get("model", ""), request.query_params, body, who[:200])
            return JSONResponse(await run_in_threadpool(row.answer, call))
        except TaxiwayError as error:
            return _refused(error)

    return answer


def _refused(error: TaxiwayError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    document = {"error": error.message, "kind": error.kind, "hint": error.hint}
    return JSONResponse(document, error.http_status, headers=headers)


def _admit(request: Request, token: str | None) -> None:
    """Refuse who may not call."""
    if token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise Unauthenticated("a bearer token is needed", hint="set TAXIWAY_TOKEN to the server's token")
        return
    # A page in this machine's browser can reach loopback. It cannot choose the Host it names, or hide its Origin.
    name = request.headers.get("host", "").rsplit(":", 1)[0] if request.headers.get("host") else ""
    if name not in _LOCAL_NAMES or (request.method == "POST" and "origin" in request.headers):
        raise PermissionDenied("only programs on this machine may call", hint="give the server a token")


async def _body(request: Request, row: Operation) -> Mapping[str, Any]:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise InvalidArgument(f"the body is longer than {MAX_BODY_BYTES} bytes")
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise InvalidArgument("the body is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidArgument("the body is not a JSON object")
    unknown = sorted(set(document) - set(row.parameters))
    if unknown:
        raise InvalidArgument(f"unknown member {unknown[0]!r}", hint=f"known: {', '.join(row.parameters)}")
    return document


def read_token(token_file: str, environ: Mapping[str, str]) -> str | None:
    """The token callers must know; None when there is none.

    Raises:
        InvalidArgument: the file cannot be read, or is empty.
    """
    if not token_file:
        return environ.get("TAXIWAY_TOKEN") or None
    try:
        token = Path(token_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"cannot read the token file {token_file}: {error}") from None
    if not token:
        raise InvalidArgument(f"the token file {token_file} is empty")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class AdminServer:
    """The API on a port of its own, in a thread of its own."""

    def __init__(self, handle: ServeHandle) -> None:
        settings = handle.settings.server
        token = read_token(settings.token_file, os.environ)
        open_to_all = token is not None or _is_loopback(settings.host)
        self._socket = _listen(settings.host if open_to_all else "127.0.0.1", settings.admin_port)
        host, port = self._socket.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
        config = uvicorn.Config(
            application(handle, token),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="taxiway-admin", daemon=True
        )

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    host = host.strip("[]")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Unavailable(
            f"the admin API cannot listen on {host}:{port}: {error.strerror}", hint="give another --admin-port"
        ) from error
