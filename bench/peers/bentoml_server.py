"""A peer: a SavedModel behind BentoML, one worker, served as ``bentoml serve`` does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml

NAME, VERSION = "BENCH_MODEL", "BENCH_VERSION"


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Predict:
    """One model."""

    def __init__(self) -> None:
        from signature import Signature

        self._signature = Signature(os.environ[VERSION])

    @bentoml.api(route=f"/v1/models/{os.environ.get(NAME, '')}:predict")
    def predict(self, instances: list) -> dict:
        """The rows' answers."""
        return {"predictions": self._signature.predictions(instances)}


if __name__ == "__main__":
    from signature import arguments

    asked = arguments()
    folder = Path(__file__).parent
    environment = {**os.environ, NAME: asked.name, VERSION: asked.path, "BENTOML_DO_NOT_TRACK": "1"}
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    argv = [sys.executable, "-m", "bentoml", "serve", "bentoml_server:Predict", "--working-dir", str(folder)]
    os.execve(sys.executable, [*argv, "--host", "127.0.0.1", "--port", str(asked.port)], environment)
