"""src/taxiway/serve/openapi.json: what the REST port answers, as an OpenAPI 3.1 document.

Statuses of errors come from the kinds of ``taxiway.errors``; the data plane serves the file at ``/openapi.json``, and
its tests hold the paths against the routes it knows, both ways.
"""

from __future__ import annotations

import json
from typing import Any

from taxiway.errors import error_of_kind, kind_of_code
from tools.openapi_schemas import SCHEMAS

Json = dict[str, Any]

# How a path says which version: how the operation's id and summary end, and the parameters that are in the path.
CHOICES = {
    "": ("", "", ["model"]),
    "/versions/{version}": ("OfVersion", ", by version", ["model", "version"]),
    "/labels/{label}": ("OfLabel", ", by label", ["model", "label"]),
}
# verb: summary, description
VERBS = {
    "predict": (
        "Run a signature on tensors",
        "Rows (`instances`, answered with `predictions`) or whole tensors (`inputs`, answered with `outputs`).",
    ),
    "classify": (
        "Classify examples by a signature of method classify",
        "Each example is a tf.Example. Answered with a list of [label, score] for each.",
    ),
    "regress": (
        "Regress examples by a signature of method regress",
        "Each example is a tf.Example. Answered with a number for each.",
    ),
}
INTRODUCTION = """\
TensorFlow Serving's REST API, to the letter, and beside it what operators ask.

Under `/v1/`: paths are matched together with their query, so a POST with a query is malformed. A request that matches
no path, or comes with a method that the path does not take, is answered with 400 (`Malformed request: …`), not with 404
or 405. The content type of a request is ignored. A body may be compressed (`Content-Encoding: gzip`). `OPTIONS` on
anything under `/v1/` answers a browser's preflight: 200 with an empty body, 400 without an `Origin` of the web.

Numbers in answers may be the tokens `NaN`, `Infinity` and `-Infinity`, which are taken in requests too. The version
that answered, or that an error came from, is in the header `x-taxiway-version`.

Every answer carries `x-request-id`: the caller's own, or a new one.

While a route shares a model's requests out between versions, the same `x-routing-key` gets the same version (a
route may name another header, or a field). Who names a version or a label gets it. `x-taxiway-arm` says which arm
answered.
"""
# Not error kinds, but answers of their own.
OWN_ERRORS = {
    408: "The body did not arrive in time.",
    413: "The body, or what it inflates to, is larger than the limit.",
}
# What a status can mean that its kinds' names do not say.
NOTES = {
    404: "The model or version is not served: unknown, still loading, failed, or gone.",
    501: "The tensor's element type cannot be written as JSON, or the engine does not do what was asked.",
}
QUESTIONS = {
    "": ("modelStatus", "States of a model's versions", "ModelStatus", (400, 404, 503)),
    "/metadata": ("modelMetadata", "Signatures of a model", "ModelMetadata", (400, 404, 503)),
}


def render() -> str:
    """The whole document, as JSON."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Json:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Taxiway, REST",
            "version": "1",
            "summary": "Ask models, and ask about them.",
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost:8501"}],
        "tags": [
            {"name": "models", "description": "TensorFlow Serving's API. `GET /v1/models` is an addition."},
            {"name": "operations", "description": "Health, readiness, metrics, this document."},
        ],
        "paths": {**_model_paths(), **_operation_paths()},
        "components": {
            "schemas": SCHEMAS,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {f"Error{status}": _error(status) for status in _statuses()},
        },
    }


PARAMETERS: Json = {
    "model": {
        "name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "Percent-decoded after the path was matched, so that a name may hold `%2F` and `%3A`.",
        "example": "digits",
    },
    "version": {
        "name": "version", "in": "path", "required": True,
        "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**63 - 1},
        "description": "A version's number.",
        "example": 1,
    },
    "label": {
        "name": "label", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "A name for a version that the model config gives. Percent-decoded like the model.",
        "example": "stable",
    },
    "artifact": {
        "name": "artifact", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "Its name in the list, `edge/int8.tflite`; the slash may be percent-encoded.",
        "example": "edge%2Fint8.tflite",
    },
}  # fmt: skip

HEADERS: Json = {
    "x-request-id": {
        "description": "The request's id: the caller's, when it is at most 128 printable characters, else a new one.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "x-taxiway-version": {
        "description": "The version that answered.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "etag": {"description": "The SHA-256 of the file, in quotes.", "required": True, "schema": {"type": "string"}},
    "accept-ranges": {"description": "`bytes`.", "required": True, "schema": {"type": "string"}},
    "cache-control": {
        "description": "`no-cache`: a label moves, so whoever keeps a file asks whether it is still the one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "x-taxiway-arm": {
        "description": "The arm of an experiment that answered; not there while there is none, or only one.",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
}


FEEDBACK: Json = {
    "operationId": "feedback",
    "tags": ["models"],
    "summary": "Say what became of an answer",
    "description": "An addition. Answers are remembered for a while, while a route shares a model's requests out; 404 "
    "says that this one is not, or no longer. What is said twice counts once.",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Feedback"}}},
    },
}


def _artifact_paths(base: str, suffix: str, ending: str, shared: Json) -> Json:
    """The list of a version's artefacts, and each of them."""
    listed = _get(
        f"listArtifacts{suffix}", f"What was made of a version for other places{ending}", "Artifacts", (400, 404)
    )
    listed["description"] = "An addition. Names, sizes, digests and contracts; `missing` says why one cannot be sent."
    listed["responses"]["200"]["headers"] |= _headers("x-taxiway-version")
    sent = {**_headers("x-taxiway-version"), **{name: {"$ref": f"#/components/headers/{name}"} for name in _CACHED}}
    file = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    statuses = {
        "200": {"description": "The file.", "headers": sent, "content": file},
        "206": {"description": "The part of `Range`.", "headers": sent, "content": file},
        "304": {"description": "The client has it.", "headers": sent},
        "416": {"description": "Nothing is in `Range`.", "headers": sent, "content": _error(416)["content"]},
        **_errors(400, 404, 500, 503),
    }
    parameter = {"$ref": "#/components/parameters/artifact"}
    return {
        f"{base}/artifacts": {**shared, "get": listed},
        f"{base}/artifacts/{{artifact}}": {
            "parameters": [*shared["parameters"], parameter],
            "get": {
                "operationId": f"getArtifact{suffix}",
                "tags": ["models"],
                "summary": f"Download an artefact{ending}",
                "description": _DOWNLOAD,
                "responses": statuses,
            },
        },
    }


_CACHED = ("etag", "accept-ranges", "cache-control")
_DOWNLOAD = (
    "An addition; also with HEAD. `ETag` is the SHA-256 in quotes: `If-None-Match` saves a download, `Range` (with "
    "`If-Range`) resumes one. Only what the manifest of a served version lists can be had. 503: it is being replaced. "
    "500: the file is not what the manifest lists."
)


def _model_paths() -> Json:
    listed = _get("listModels", "Every model with its versions and labels", "ModelList", (400,))
    listed["description"] = "An addition. Where it is off, 400 as TensorFlow Serving has it: no model was named."
    paths: Json = {"/v1/models": {"get": listed}}
    for choice, (suffix, ending, parameters) in CHOICES.items():
        base = "/v1/models/{model}" + choice
        shared = {"parameters": [{"$ref": f"#/components/parameters/{name}"} for name in parameters]}
        for tail, (name, summary, schema, errors) in QUESTIONS.items():
            asked = _get(name + suffix, summary + ending, schema, errors)
            if tail:
                asked["responses"]["200"]["headers"] |= _headers("x-taxiway-version")
            paths[base + tail] = {**shared, "get": asked}
        paths |= _artifact_paths(base, suffix, ending, shared)
        for verb, (summary, description) in VERBS.items():
            asked = {
                "operationId": verb + suffix,
                "tags": ["models"],
                "summary": summary + ending,
                "description": description,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _schema(f"{verb.title()}Request")}},
                },
                "responses": {
                    "200": _answer(
                        f"{verb.title()}Answer", "The model's answer.", "x-taxiway-version", "x-taxiway-arm"
                    ),
                    **_errors(*_statuses()),
                },
            }
            paths[f"{base}:{verb}"] = {**shared, "post": asked}
    paths["/v1/models/{model}:feedback"] = {
        "parameters": [{"$ref": "#/components/parameters/model"}],
        "post": FEEDBACK | {"responses": {"200": _answer("Heard", "It was heard."), **_errors(*_statuses())}},
    }
    return paths


def _operation_paths() -> Json:
    text = {"200": {"description": "`ok`.", "headers": _headers(), "content": _text("text/plain; charset=utf-8")}}
    ready = {
        "200": _answer("Readiness", "It should get requests."),
        "503": _answer("Readiness", "It should not; `reason` says why."),
    }
    missing = {"404": _answer("Error", "There is no such model.")}
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    page = {"200": {"description": "Prometheus' text format.", "headers": _headers(), "content": _text(METRICS_TEXT)}}
    compatible = {
        "200": {
            "description": "Prometheus' text format, without HELP.", "headers": _headers(),
            "content": _text("text/plain"),
        },
        "400": {"description": "There was a query.", "headers": _headers(), "content": _text("text/plain")},
        "404": _answer("Error", "The monitoring config enables no page, or another path."),
    }  # fmt: skip
    described = {"200": _answer("Document", "An OpenAPI 3.1 document.")}
    return {
        "/healthz": {"get": _operation("health", "Whether the process answers", text)},
        "/readyz": {"get": _operation("readiness", "Whether this server should get requests", ready)},
        "/readyz/{model}": {
            "parameters": [model],
            "get": _operation("modelReadiness", "Whether a model should get requests", {**ready, **missing}),
        },
        "/metrics": {"get": _operation("metrics", "Taxiway's own metrics, by version", page)},
        "/openapi.json": {"get": _operation("describe", "This document", described)},
        "/monitoring/prometheus/metrics": {
            "get": _operation(
                "servingMetrics", "TensorFlow Serving's metrics, at the path of `--monitoring_config_file`", compatible
            )
        },
    }


METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def _operation(name: str, summary: str, responses: Json) -> Json:
    return {"operationId": name, "tags": ["operations"], "summary": summary, "responses": responses}


def _get(name: str, summary: str, schema: str, errors: tuple[int, ...]) -> Json:
    responses = {"200": _answer(schema, "The answer."), **_errors(*errors)}
    return {"operationId": name, "tags": ["models"], "summary": summary, "responses": responses}


def _answer(schema: str, description: str, *headers: str) -> Json:
    content = {"application/json": {"schema": _schema(schema)}}
    return {"description": description, "headers": _headers(*headers), "content": content}


def _schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _headers(*more: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("x-request-id", *more)}


def _text(media_type: str) -> Json:
    return {media_type: {"schema": {"type": "string"}}}


def _errors(*statuses: int) -> Json:
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}


def _kinds() -> dict[int, list[str]]:
    """HTTP status: the kinds of errors that it stands for."""
    kinds: dict[int, list[str]] = {}
    for code in range(1, 17):
        kind = kind_of_code(code)
        kinds.setdefault(error_of_kind(kind, "").http_status, []).append(kind)
    return kinds


def _statuses() -> list[int]:
    return sorted({*_kinds(), *OWN_ERRORS})


def _error(status: int) -> Json:
    """The response of an error; ``x-kinds`` are the names that gRPC gives what it can be."""
    kinds = _kinds().get(status, [])
    description = OWN_ERRORS.get(status) or " or ".join([*kinds]) + "."
    if note := NOTES.get(status):
        description += f" {note}"
    return {**_answer("Error", description), "x-kinds": kinds}
