"""A peer: a SavedModel behind Ray Serve: one replica, its HTTP proxy beside it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import orjson
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=1, max_ongoing_requests=64)
class Predict:
    """One model."""

    def __init__(self, folder: str, version: str) -> None:
        sys.path.insert(0, folder)
        from signature import Signature

        self._signature = Signature(version)

    async def __call__(self, request: Request) -> Response:
        """The rows' answers."""
        rows = orjson.loads(await request.body())["instances"]
        answer = orjson.dumps({"predictions": self._signature.predictions(rows)})
        return Response(answer, media_type="application/json")


if __name__ == "__main__":
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    from signature import arguments

    asked = arguments()
    os.environ["RAY_SERVE_ENABLE_ACCESS_LOG"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=True, logging_level="WARNING")
    serve.start(http_options={"host": "127.0.0.1", "port": asked.port})
    serve.run(Predict.bind(folder, asked.path), route_prefix=f"/v1/models/{asked.name}:predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
