"""What nothing can beat: the bare engine in a loop, and our server answering requests that run no model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import grpc

from bench import cases
from bench.load import Target, framed, pinned
from bench.models import Built
from bench.participants import ROOT
from bench.process import SERVER_CORE
from taxiway.wire import message

STATUS_METHOD = "/tensorflow.serving.ModelService/GetModelStatus"


def engine(built: Built, rows: int, seconds: float, name: str = "tensorflow") -> dict[str, Any]:
    """The graph alone, through the same C API, on the server's core: the JSON of the ``floor`` example.

    Builds the example in release mode when it is not up to date.

    Raises:
        subprocess.CalledProcessError: it did not build or did not run.
    """
    build = ["cargo", "build", "--release", "--quiet", "-p", "taxiway-runtimes", "--example", "floor"]
    subprocess.run(build, cwd=ROOT, check=True, stdout=sys.stderr)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    argv = [str(target / "release" / "examples" / "floor"), "--engine", name, str(built.version)]
    argv += ["--rows", str(rows), "--seconds", f"{seconds:g}"]
    environment = {**os.environ, "TAXIWAY_SITE_PACKAGES": sysconfig.get_path("platlib"), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = pinned(argv, SERVER_CORE)
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120, env=environment)
    document = json.loads(result.stdout)
    if not isinstance(document, dict):
        raise ValueError(f"floor printed {result.stdout!r}")
    return document


def transport(built: Built, protocol: str, address: str, scratch: Path) -> Target:
    """A request to a running Taxiway that runs no model: GetModelStatus over gRPC, ``/healthz`` over REST."""
    if protocol == "rest":
        return Target(f"http://{address}/healthz", "rest", None)
    request = message("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = built.name
    status = bytes(request.SerializeToString())
    with grpc.insecure_channel(address) as channel:
        answer = cases.call(channel, STATUS_METHOD, status, 5)
    body = scratch / "status.grpc"
    body.write_bytes(framed(status))
    return Target(f"http://{address}{STATUS_METHOD}", "grpc", body, len(answer))
