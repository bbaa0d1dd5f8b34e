"""A peer: a SavedModel on ``tritonserver``, with the folder that it wants; over the Open Inference Protocol."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("--port", required=True)
    asked = parser.parse_args()
    repository = Path(tempfile.mkdtemp(prefix="triton-"))
    version = repository / asked.name / "1"
    version.mkdir(parents=True)
    (version / "model.savedmodel").symlink_to(asked.path)
    argv = ["tritonserver", f"--model-repository={repository}", f"--http-port={asked.port}", "--allow-grpc=false"]
    os.execvp(
        "tritonserver", [*argv, "--allow-metrics=false", "--http-address=127.0.0.1", "--strict-model-config=false"]
    )
