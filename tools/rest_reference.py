"""docs/reference/rest.md, from the OpenAPI document."""

from __future__ import annotations

from typing import Any

from tools import openapi

PAGE = """\
# REST

Generated from `src/taxiway/serve/openapi.json`; do not edit.

A server has the document itself, with the schemas of what goes in and comes out, at `/openapi.json`; `taxiway openapi`
prints it, and `taxiway.serve.openapi.document()` has it as a value.

{description}
| method | path | does | statuses |
|---|---|---|---|
{routes}
## Errors

The body of an error is `{{"error": "what happened"}}`.

| status | kinds | |
|---|---|---|
{errors}"""


def render() -> str:
    """The whole page."""
    document = openapi.document()
    responses = document["components"]["responses"]
    return PAGE.format(
        description=document["info"]["description"],
        routes="".join(_route(path, item) for path, item in document["paths"].items()),
        errors="".join(_error(name, response) for name, response in responses.items()),
    )


def _route(path: str, item: dict[str, Any]) -> str:
    method = next(method for method in ("get", "post") if method in item)
    statuses = ", ".join(item[method]["responses"])
    return f"| {method.upper()} | `{path}` | {item[method]['summary']} | {statuses} |\n"


def _error(name: str, response: dict[str, Any]) -> str:
    kinds = ", ".join(response["x-kinds"])
    told = response["description"].partition(". ")[2] if kinds else response["description"]
    return f"| {name.removeprefix('Error')} | {kinds} | {told} |\n"
