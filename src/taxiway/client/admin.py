"""A server's admin API: what operators ask of it, over HTTP.

A command goes to one server or to none: who answers is asked first, without the token, and on the same connection.
"""

from __future__ import annotations

import contextlib
import getpass
import http.client
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from taxiway.client.address import DEFAULT_SERVER
from taxiway.errors import Internal, InvalidArgument, Unavailable, error_of_kind

__all__ = ["Admin", "get_json"]

# Where an admin API says to anybody that it is one, and whose: {"api", "version", "ports"}.
_WHO, _ADMIN = "/api/who", "taxiway admin"
_TIMEOUT_SECONDS = 30.0
_HINT = "is the server running? --server or TAXIWAY_SERVER says where"


class Admin:
    """The admin API of the server that ``server`` names.

    Args:
        server: its admin or its REST address; None is that of ``TAXIWAY_SERVER``, or REST's usual one on this machine.
            The admin API stands on the port after REST's, or after gRPC's when that is the one after REST's, unless it
            was moved.
        token: the server's; None is that of ``TAXIWAY_TOKEN``.
        timeout_seconds: how long to wait for an answer.

    Raises:
        InvalidArgument: ``server`` is no address.
    """

    def __init__(
        self, server: str | None = None, *, token: str | None = None, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        server = server or os.environ.get("TAXIWAY_SERVER") or DEFAULT_SERVER
        parts = _split(server)
        self.server, self._token, self._timeout = server.rstrip("/"), token, timeout_seconds
        self._port = port = parts.port or 8501
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        # What was said comes first: another server on this machine may stand on the ports after it.
        ports = [number for number in (port, port + 1, port + 2) if number <= 65535]
        self._addresses = {number: f"{parts.scheme}://{host}:{number}" for number in ports}

    def get(self, path: str, **query: Any) -> Any:
        """The document at ``/api/v1/PATH``.

        Raises:
            Unavailable: no admin API of this server answers.
            TaxiwayError: it refuses; of its kind, with its hint.
        """
        given = {key: value for key, value in query.items() if value is not None}
        return self._call("GET", f"/api/v1/{path}" + (f"?{urlencode(given)}" if given else ""), None, 0.0, "")

    def change(self, model: str, verb: str, **body: Any) -> Any:
        """What ``POST /api/v1/models/MODEL:VERB`` answers; ``body`` without what is None.

        Raises:
            Unavailable: no admin API of this server answers. The message says so when the command may have been done.
            TaxiwayError: it refuses; of its kind, with its hint.
        """
        wait_seconds = float(body.get("wait_seconds", 0.0))
        given = {key: value for key, value in body.items() if value is not None}
        path = f"/api/v1/models/{quote(model, safe='')}:{verb}"
        return self._call("POST", path, {"who": _user(), **given}, wait_seconds, model)

    def _call(self, method: str, path: str, body: Any, wait_seconds: float, model: str) -> Any:
        for port, address in self._addresses.items():
            with _connected(address, self._timeout) as connection:
                if connection is None or not self._is_ours(connection, address, port):
                    continue
                token = self._token or os.environ.get("TAXIWAY_TOKEN")
                if connection.sock is not None:
                    connection.sock.settimeout(wait_seconds + self._timeout)
                try:
                    status, document = _exchange(connection, method, path, body, token)
                except (OSError, http.client.HTTPException) as error:
                    raise _unanswered(address, error, model) from error
            if status == 200:
                return document
            if isinstance(document, dict) and "kind" in document:
                refusal = error_of_kind(document["kind"], document["error"])
                refusal.hint = document.get("hint")
                raise refusal
            raise Internal(
                f"the admin API at {address} answers {method} {path} with status {status}", hint=_look(model)
            )
        raise Unavailable(f"no admin API answers at {' or '.join(self._addresses.values())}", hint=_HINT)

    def _is_ours(self, connection: http.client.HTTPConnection, address: str, port: int) -> bool:
        """Whether an admin API answers there; the one of the server that was named, if that was not named itself.

        Raises:
            Unavailable: it keeps silent, or it is another server's. Nothing was asked of it.
        """
        try:
            status, document = _exchange(connection, "GET", _WHO)
        except TimeoutError:
            raise Unavailable(
                f"{address} does not answer within {self._timeout:g} s; nothing was asked of it", hint=_HINT
            ) from None
        except (OSError, http.client.HTTPException):
            return False
        if status != 200 or not isinstance(document, dict) or document.get("api") != _ADMIN:
            return False
        ports = dict(document.get("ports") or {})
        if port != self._port and self._port not in (ports.get("rest"), ports.get("grpc")):
            theirs = ", ".join(f"{name} {number}" for name, number in sorted(ports.items()) if number) or "none"
            raise Unavailable(
                f"the admin API at {address} is of a server with the ports {theirs}, not of {self.server}",
                hint=f"if that is the one you mean: --server {address}",
            )
        return True


def get_json(server: str, path: str) -> Any:
    """The document at ``path`` of the server itself.

    Raises:
        Unavailable: nothing answers.
        TaxiwayError: it answers with an error.
    """
    try:
        with contextlib.closing(_connection(server.rstrip("/"), _TIMEOUT_SECONDS)) as connection:
            connection.connect()
            status, document = _exchange(connection, "GET", path)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{server} does not answer: {error}", hint=_HINT) from error
    if status != 200:
        text = document.get("error") if isinstance(document, dict) else None
        raise error_of_kind(status, text or f"{server}{path} answers with status {status}", http=True)
    return document


def _connection(address: str, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = _split(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=timeout_seconds)
    # What was asked who it is must not become another by connecting anew.
    connection.auto_open = 0
    return connection


@contextlib.contextmanager
def _connected(address: str, timeout_seconds: float) -> Iterator[http.client.HTTPConnection | None]:
    """A connection to ``address``; None where nobody listens.

    Raises:
        Unavailable: there is no answer in time.
    """
    with contextlib.closing(_connection(address, timeout_seconds)) as connection:
        try:
            connection.connect()
        except TimeoutError:
            raise Unavailable(
                f"{address} cannot be reached within {timeout_seconds:g} s; nothing was asked of it", hint=_HINT
            ) from None
        except OSError:
            yield None
            return
        yield connection


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, Any]:
    """One request; the status, and the JSON document of the answer (None when it is none)."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    try:
        return answer.status, json.loads(data)
    except ValueError:
        return answer.status, None


def _unanswered(address: str, error: Exception, model: str) -> Unavailable:
    why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    if not model:
        return Unavailable(f"the admin API at {address} was asked and did not answer: {why}", hint=_HINT)
    return Unavailable(
        f"the admin API at {address} was given the command and did not answer: {why}; it may have been done",
        hint=_look(model),
    )


def _look(model: str) -> str | None:
    return f"taxiway history {model}, or taxiway rollout status {model}, shows whether it was done" if model else None


def _split(server: str) -> Any:
    text = server if "://" in server else f"http://{server}"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise InvalidArgument(f"not a server's address: {server}", hint="such as http://127.0.0.1:8501")
    return parts


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number without a name
        return f"user {os.getuid()}"
