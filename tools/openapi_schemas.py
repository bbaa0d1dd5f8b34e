"""The schemas of src/taxiway/serve/openapi.json."""

from __future__ import annotations

from typing import Any

# Numbers of 64 bits are strings, as protobuf's JSON has them.
INT64 = {"type": "string", "pattern": "^-?[0-9]+$"}
STATES = ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An object with these properties; others may stand beside them."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        **more,
    }


def _list(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


LABEL = [{"type": "integer"}, {"type": "string"}]
SIGNATURE_NAME = {"type": "string", "description": "The signature; `serving_default` when it is absent or empty."}
EXAMPLES_REQUEST = _object(
    {"examples": _list(_ref("Example"), minItems=1)},
    {
        "signature_name": SIGNATURE_NAME,
        "context": {**_ref("Example"), "description": "Features under those of every example, which win."},
    },
)
DIMENSIONS = _list(_object({"size": INT64, "name": {"type": "string"}}))
# A value, or a list of lists of values; strings may be {"b64": "…"}.
NESTED = {
    "anyOf": [
        {"type": ["number", "string", "boolean"]},
        _ref("Base64"),
        _list(_ref("Tensor")),
    ]
}

SCHEMAS: dict[str, Any] = {
    "Error": _object({"error": {"type": "string", "description": "What happened, for people."}}),
    "Base64": _object({"b64": {"type": "string", "contentEncoding": "base64"}}, additionalProperties=False),
    "Tensor": {**NESTED, "description": "A value, or nested lists of one shape. Bytes may be given as base64."},
    "Named": {"type": "object", "additionalProperties": _ref("Tensor"), "description": "Tensors by their names."},
    "PredictRequest": {
        "oneOf": [
            _object(
                {"instances": _list({"anyOf": [_ref("Tensor"), _ref("Named")]}, minItems=1)},
                {"signature_name": SIGNATURE_NAME, "inputs": False},
                title="Rows",
                description="One element a row: a value for the only input, or an object with every input.",
            ),
            _object(
                {"inputs": {"anyOf": [_ref("Tensor"), _ref("Named")]}},
                {"signature_name": SIGNATURE_NAME, "instances": False},
                title="Columns",
                description="The only input's whole tensor, or an object with every input's.",
            ),
        ]
    },
    "PredictAnswer": {
        "oneOf": [
            _object({"predictions": _list({})}, title="Rows", additionalProperties=False),
            _object({"outputs": {}}, title="Columns", additionalProperties=False),
        ],
        "description": "One output stands bare; several are objects by name. Names that end in `_bytes` are base64.",
    },
    "Feature": {
        "anyOf": [
            {"type": ["number", "string", "boolean"]},
            _ref("Base64"),
            _list({"type": "integer"}),
            _list({"type": "number"}),
            _list({"type": "boolean"}),
            _list({"anyOf": [{"type": "string"}, _ref("Base64")]}),
        ],
        "description": "A value or a flat list of one kind: integers and booleans, floats, or bytes.",
    },
    "Example": {
        "type": "object",
        "additionalProperties": _ref("Feature"),
        "description": "Features by their names.",
    },
    "ClassifyRequest": EXAMPLES_REQUEST,
    "RegressRequest": EXAMPLES_REQUEST,
    "ClassifyAnswer": _object(
        {
            "results": _list(
                _list({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "minItems": 2})
            )
        },
        additionalProperties=False,
    ),
    "RegressAnswer": _object({"results": _list({"type": "number"})}, additionalProperties=False),
    "ModelStatus": _object(
        {
            "model_version_status": _list(
                _object(
                    {
                        "version": INT64,
                        "state": {"enum": STATES},
                        "status": _object({"error_code": {"type": "string"}, "error_message": {"type": "string"}}),
                    }
                )
            )
        }
    ),
    "ModelMetadata": _object(
        {
            "model_spec": _object(
                {"name": {"type": "string"}, "signature_name": {"type": "string"}, "version": INT64}
            ),
            "metadata": _object(
                {
                    "signature_def": _object(
                        {"signature_def": {"type": "object", "additionalProperties": _ref("Signature")}}
                    )
                }
            ),
        }
    ),
    "Signature": _object(
        {
            "inputs": {"type": "object", "additionalProperties": _ref("TensorInfo")},
            "outputs": {"type": "object", "additionalProperties": _ref("TensorInfo")},
            "method_name": {"type": "string"},
            "defaults": {"type": "object"},
        }
    ),
    "TensorInfo": _object(
        {
            "dtype": {"type": "string", "examples": ["DT_FLOAT"]},
            "tensor_shape": _object({"dim": DIMENSIONS, "unknown_rank": {"type": "boolean"}}),
        },
        {"name": {"type": "string"}, "coo_sparse": {"type": "object"}},
    ),
    "Feedback": _object(
        {"request_id": {"type": "string", "minLength": 1, "description": "The answer's `x-request-id`."}},
        {
            "label": {
                "anyOf": [*LABEL, _list({"anyOf": LABEL}, minItems=1)],
                "description": "The right class; of several rows, one for each.",
            },
            "value": {"type": "number", "description": "Any number that the answer led to."},
            "correct": {"type": "boolean", "description": "Whether it was right."},
        },
        additionalProperties=False,
        description="Exactly one of `label`, `value` and `correct` beside the id.",
    ),
    "Heard": _object({"counted": {"type": "boolean", "description": "False when the like was said before."}}),
    "Artifacts": _object(
        {
            "model": {"type": "string"},
            "version": INT64,
            "artifacts": _list(
                _object(
                    {
                        "name": {"type": "string", "description": "Where it is below this list."},
                        "target": {"type": "string", "description": "`edge` or `browser`."},
                        "variant": {"type": "string"},
                        "bytes": {"type": "integer"},
                        "sha256": {"type": "string"},
                        "contract": {"type": "object", "description": "How its answers were held to the version's."},
                        "missing": {"type": "string", "description": "Why it cannot be sent; empty when it can."},
                    }
                )
            ),
        }
    ),
    "ModelList": _object(
        {
            "models": _list(
                _object(
                    {
                        "name": {"type": "string"},
                        "default_version": {**INT64, "type": ["string", "null"]},
                        "labels": {"type": "object", "additionalProperties": INT64},
                        "ready": {"type": "boolean"},
                        "reason": {"type": "string"},
                        "versions": _list(_object({"version": INT64, "state": {"enum": STATES}})),
                    }
                )
            )
        }
    ),
    "Readiness": _object({"ready": {"type": "boolean"}, "reason": {"type": "string"}}),
    "Document": _object(
        {
            "openapi": {"type": "string", "pattern": "^3[.]1[.]"},
            "info": {"type": "object"},
            "paths": {"type": "object"},
        }
    ),
}  # fmt: skip
