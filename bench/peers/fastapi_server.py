"""A peer: a SavedModel behind FastAPI, as a careful team writes it by itself.

Done well: uvloop and httptools, orjson both ways, no validation model over every float, one array straight from the
parsed list, and the signature called on the event loop (on one core a hop to a thread would only cost more).
"""

from __future__ import annotations

import argparse

import numpy as np
import orjson
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response


def application(name: str, path: str) -> FastAPI:
    """The application with one route, that of TensorFlow Serving's row form."""
    model = tf.saved_model.load(path)
    run = model.signatures["serving_default"]
    ((input_name, spec),) = run.structured_input_signature[1].items()
    dtype = spec.dtype.as_numpy_dtype
    app = FastAPI()
    app.state.model = model  # the signature does not keep its variables alive

    @app.post(f"/v1/models/{name}:predict")
    async def predict(request: Request) -> Response:
        body = orjson.loads(await request.body())
        if "instances" not in body:
            raise HTTPException(400, "instances are missing")
        outputs = run(**{input_name: tf.constant(np.array(body["instances"], dtype))})
        arrays = {key: value.numpy() for key, value in outputs.items()}
        if len(arrays) == 1:
            predictions = next(iter(arrays.values()))
        else:
            rows = range(len(body["instances"]))
            predictions = [{key: value[row] for key, value in arrays.items()} for row in rows]
        answer = orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(answer, media_type="application/json")

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    # One core is what it is given; more threads would only take turns on it.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    uvicorn.run(
        application(arguments.name, arguments.path),
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
