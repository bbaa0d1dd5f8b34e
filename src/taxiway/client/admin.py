"""A server's admin API: what operators ask of it, over HTTP."""

from __future__ import annotations

import getpass
import http.client
import json
import os
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from taxiway.errors import InvalidArgument, Unavailable, error_of_kind

__all__ = ["DEFAULT_SERVER", "Admin", "get_json"]

DEFAULT_SERVER = "http://127.0.0.1:8501"

_TIMEOUT_SECONDS = 30.0


class Admin:
    """The admin API of the server that ``server`` names.

    Args:
        server: its admin or its REST address; None is that of ``TAXIWAY_SERVER``, or REST's usual one on this machine.
            The admin API stands on the port after REST's, or after gRPC's when that is the one after REST's, unless it
            was moved.
        token: the server's; None is that of ``TAXIWAY_TOKEN``.

    Raises:
        InvalidArgument: ``server`` is no address.
    """

    def __init__(self, server: str | None = None, *, token: str | None = None) -> None:
        server = server or os.environ.get("TAXIWAY_SERVER") or DEFAULT_SERVER
        parts = _split(server)
        self.server, self._token = server.rstrip("/"), token
        port = parts.port or 8501
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        # What was said comes first: another server on this machine may stand on the ports after it.
        ports = [number for number in (port, port + 1, port + 2) if number <= 65535]
        self._addresses = [f"{parts.scheme}://{host}:{number}" for number in ports]

    def get(self, path: str, **query: Any) -> Any:
        """The document at ``/api/v1/PATH``."""
        given = {key: value for key, value in query.items() if value is not None}
        return self._call("GET", f"/api/v1/{path}" + (f"?{urlencode(given)}" if given else ""), None, _TIMEOUT_SECONDS)

    def change(self, model: str, verb: str, **body: Any) -> Any:
        """What ``POST /api/v1/models/MODEL:VERB`` answers; ``body`` without what is None.

        Raises:
            Unavailable: no admin API answers.
            TaxiwayError: it refuses; of its kind, with its hint.
        """
        wait_seconds = float(body.get("wait_seconds", 0.0))
        given = {key: value for key, value in body.items() if value is not None}
        path = f"/api/v1/models/{quote(model, safe='')}:{verb}"
        return self._call("POST", path, {"who": _user(), **given}, wait_seconds + _TIMEOUT_SECONDS)

    def _call(self, method: str, path: str, body: Any, timeout_seconds: float) -> Any:
        for address in self._addresses:
            try:
                status, document = _exchange(address, method, path, body, timeout_seconds, self._token)
            except (OSError, http.client.HTTPException):
                continue
            if isinstance(document, dict) and "kind" in document and status >= 400:
                error = error_of_kind(document["kind"], document["error"])
                error.hint = document.get("hint")
                raise error
            if status == 200:
                return document
        raise Unavailable(
            f"no admin API answers at {' or '.join(self._addresses)}",
            hint="is the server running? --server or TAXIWAY_SERVER says where",
        )


def get_json(server: str, path: str) -> Any:
    """The document at ``path`` of the server itself.

    Raises:
        Unavailable: nothing answers.
        TaxiwayError: it answers with an error.
    """
    try:
        status, document = _exchange(server.rstrip("/"), "GET", path, None, _TIMEOUT_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"{server} does not answer: {error}", hint="is the server running? --server or TAXIWAY_SERVER says where"
        ) from error
    if status != 200:
        text = document.get("error") if isinstance(document, dict) else None
        raise error_of_kind(status, text or f"{server}{path} answers with status {status}", http=True)
    return document


def _exchange(
    address: str, method: str, path: str, body: Any, timeout_seconds: float, token: str | None = None
) -> tuple[int, Any]:
    """One request; the status, and the JSON document of the answer (None when it is none)."""
    parts = _split(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=timeout_seconds)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token := token or os.environ.get("TAXIWAY_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(data)
    except ValueError:
        return answer.status, None


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
