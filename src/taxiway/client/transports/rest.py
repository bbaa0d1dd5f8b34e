"""TensorFlow Serving's REST API, in its columnar form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import urllib3
from google.protobuf import json_format

from taxiway.client.answer import Metadata, VersionStatus
from taxiway.client.tls import TLS_HINT, Tls
from taxiway.client.transport import Call, Deadline, Judgement, Refused, Reply, Target
from taxiway.client.transports.columns import column_of, outputs_of
from taxiway.errors import DataLoss, DeadlineExceeded, TaxiwayError, Unavailable, error_of_kind
from taxiway.types import Json
from taxiway.wire import messages
from taxiway.wire.signatures import signature_of

__all__ = ["RestTransport", "predict_request"]

_MAX_IDLE_CONNECTIONS = 64
_SHOWN_CHARACTERS = 300


class RestTransport:
    """Asks over a pool of connections that are kept open.

    Args:
        url: ``http://host:port``, maybe with a path that a proxy puts before ``/v1``.
        tls: certificates, of ``https://``.
    """

    def __init__(self, url: str, tls: Tls | None = None) -> None:
        parts = urllib3.util.parse_url(url)
        self._url = url.rstrip("/")
        self._prefix = (parts.path or "").rstrip("/")
        files = {} if tls is None else {"ca_certs": tls.ca_file, "cert_file": tls.cert_file, "key_file": tls.key_file}
        given = {name: str(file) for name, file in files.items() if file is not None}
        self._pool = urllib3.connection_from_url(url, maxsize=_MAX_IDLE_CONNECTIONS, retries=False, **given)

    def predict(self, call: Call, deadline: Deadline) -> Reply:
        """Predict by ``{"inputs": …}``."""
        headers = {"content-type": "application/json", **call.headers()}
        path, body = predict_request(call)
        answer, answered = self._ask("POST", path, deadline, headers, body)
        version = _version(answered.get("x-taxiway-version"), call.target.version)
        if "outputs" not in answer:
            raise DataLoss(f"{self._url} answered a prediction without 'outputs'.")
        outputs = outputs_of(answer["outputs"], call.signature_of(version))
        if call.outputs:
            # The protocol has no way to ask for some only.
            outputs = {name: array for name, array in outputs.items() if name in call.outputs}
        request_id = answered.get("x-request-id", call.request_id)
        return Reply(outputs, version, request_id, answered.get("x-taxiway-arm"))

    def metadata(self, target: Target, deadline: Deadline) -> Metadata:
        """``GET …/metadata``."""
        answer, _ = self._ask("GET", f"{_path(target)}/metadata", deadline)
        try:
            found = answer["metadata"]["signature_def"]["signature_def"]
            message = json_format.ParseDict(
                {"signature_def": found}, messages.SignatureDefMap(), ignore_unknown_fields=True
            )
            version = _version(answer["model_spec"].get("version"), target.version)
        except (KeyError, TypeError, json_format.ParseError) as error:
            raise DataLoss(f"The metadata that {self._url} gave for {target.model} cannot be read: {error}") from None
        signatures = {name: signature_of(message.signature_def[name]) for name in sorted(message.signature_def)}
        return Metadata(target.model, version, signatures)

    def status(self, target: Target, deadline: Deadline) -> tuple[VersionStatus, ...]:
        """``GET /v1/models/M``."""
        answer, _ = self._ask("GET", _path(target), deadline)
        try:
            return tuple(_status(one) for one in answer["model_version_status"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataLoss(f"The status that {self._url} gave for {target.model} cannot be read: {error}") from None

    def models(self, deadline: Deadline) -> tuple[str, ...]:
        """``GET /v1/models``, which is Taxiway's own."""
        answer, _ = self._ask("GET", "/v1/models", deadline)
        try:
            return tuple(one["name"] for one in answer["models"])
        except (KeyError, TypeError) as error:
            raise DataLoss(f"The list of models that {self._url} gave cannot be read: {error}") from None

    def feedback(self, model: str, request_id: str, judgement: Judgement, deadline: Deadline) -> bool:
        """``POST /v1/models/M:feedback``, which is Taxiway's own."""
        said = {"value": judgement.value, "correct": judgement.correct, "label": judgement.labels}
        document = {"request_id": request_id} | {name: each for name, each in said.items() if each is not None}
        headers = {"content-type": "application/json"}
        path = f"{_path(Target(model))}:feedback"
        answer, _ = self._ask("POST", path, deadline, headers, json.dumps(document).encode())
        return bool(answer.get("counted"))

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _ask(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[Json, Mapping[str, str]]:
        remaining = deadline.check()
        try:
            response = self._pool.request(
                method,
                self._prefix + path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=remaining),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._error(error, deadline) from None
        if response.status != 200:
            raise self._refusal(response.status, response.data)
        return self._document(response.data), response.headers

    def _document(self, data: bytes) -> Json:
        # Output strings may hold bytes that are not UTF-8; they come through as lone surrogates and go back as bytes.
        try:
            document = json.loads(data.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            raise DataLoss(f"{self._url} answered with {len(data)} bytes that are not JSON: {_shown(data)}") from None
        if not isinstance(document, dict):
            raise DataLoss(f"{self._url} answered with JSON that is no object: {_shown(data)}")
        return document

    def _refusal(self, status: int, data: bytes) -> TaxiwayError:
        try:
            message = str(json.loads(data)["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            message = f"{self._url} answered with HTTP status {status}: {_shown(data)}"
        return Refused(message) if status == 503 else error_of_kind(status, message, http=True)

    def _error(self, error: Exception, deadline: Deadline) -> TaxiwayError:
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            hint = "Is the server running, and is this its REST port? taxiway serve prints its addresses."
            return Refused(f"Nobody answers at {self._url}: {error.__cause__ or error}", hint=hint)
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return DeadlineExceeded(f"{self._url} did not answer within {deadline.timeout_seconds:g} s.")
        if isinstance(error, urllib3.exceptions.SSLError):
            return Unavailable(f"{self._url} and this client do not agree on TLS: {error}", hint=TLS_HINT)
        # The connection broke on the way. Whether the server had begun nobody knows, so this is never asked again.
        return Unavailable(f"The connection to {self._url} broke: {error}")


def predict_request(call: Call) -> tuple[str, bytes]:
    """The path of a prediction, and its body."""
    inputs = {name: column_of(array) for name, array in call.inputs.items()}
    document = {"signature_name": call.signature, "inputs": inputs}
    return f"{_path(call.target)}:predict", json.dumps(document, separators=(",", ":")).encode()


def _path(target: Target) -> str:
    path = f"/v1/models/{quote(target.model, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    return path if target.label is None else f"{path}/labels/{quote(target.label, safe='')}"


def _version(said: str | int | None, asked: int | None) -> int | None:
    try:
        return asked if said is None else int(said)
    except ValueError:
        return asked


def _status(one: Mapping[str, Any]) -> VersionStatus:
    status = one.get("status", {})
    return VersionStatus(
        int(one["version"]), one["state"], status.get("error_code", "OK"), status.get("error_message", "")
    )


def _shown(data: bytes) -> str:
    text = data[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
    return repr(text) + ("…" if len(data) > _SHOWN_CHARACTERS else "")
