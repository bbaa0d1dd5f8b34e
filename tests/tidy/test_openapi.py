"""The description of the REST API is sound, and says of errors what the product's own table says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taxiway.cli import main as cli
from taxiway.errors import error_of_kind, kind_of_code
from taxiway.serve import openapi

CALLS = ("predict", "classify", "regress")


def operations() -> dict[str, dict[str, Any]]:
    """operationId: the operation."""
    items = openapi.document()["paths"].values()
    return {item[m]["operationId"]: item[m] for item in items for m in ("get", "post") if m in item}


def test_the_document_is_valid() -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="a tool of development")
    schema = schemathesis.openapi.from_dict(openapi.document())
    schema.validate()
    assert len([operation.ok() for operation in schema.get_all_operations()]) == len(operations())


def test_an_invalid_document_is_seen() -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="a tool of development")
    document = openapi.document()
    document["paths"]["/healthz"]["get"]["responses"] = [1]
    with pytest.raises(Exception, match="is not of type"):
        schemathesis.openapi.from_dict(document).validate()


def test_every_kind_of_error_is_under_its_status() -> None:
    responses = openapi.document()["components"]["responses"]
    for code in range(1, 17):
        kind = kind_of_code(code)
        assert kind in responses[f"Error{error_of_kind(kind, '').http_status}"]["x-kinds"]


def test_a_call_of_a_model_may_end_in_every_error() -> None:
    statuses = {name.removeprefix("Error") for name in openapi.document()["components"]["responses"]}
    for name, operation in operations().items():
        if name.startswith(CALLS):
            assert set(operation["responses"]) == {"200", *statuses}, name


def test_the_command_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == openapi.document()
