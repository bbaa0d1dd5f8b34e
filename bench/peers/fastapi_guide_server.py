"""A peer: a SavedModel behind FastAPI as its guide has it: a model of the body, a dictionary as the answer."""
# ruff: noqa: I002 - FastAPI reads the annotation of a local name, which must be no text.

from functools import reduce
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import create_model
from signature import Signature, arguments


def application(name: str, path: str) -> FastAPI:
    """The application with one route, that of TensorFlow Serving's row form."""
    signature = Signature(path)
    nested: Any = reduce(lambda inner, _: list[inner], range(signature.rank), float)
    body_model = create_model("PredictRequest", instances=(nested, ...))
    app = FastAPI()

    @app.post(f"/v1/models/{name}:predict")
    async def predict(body: body_model) -> dict[str, Any]:  # type: ignore[valid-type]
        return {"predictions": signature.predictions(body.instances)}

    return app


if __name__ == "__main__":
    given = arguments()
    uvicorn.run(application(given.name, given.path), host="127.0.0.1", port=given.port, log_level="warning")
