"""What nothing can beat: the bare engine in a loop, and our server answering requests that run no model."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import grpc

from bench import cases, crates
from bench.load import Target, framed, pinned
from bench.models import Built
from bench.process import SERVER_CORE
from bench.report import BARE
from taxiway.wire import message

STATUS_METHOD = "/tensorflow.serving.ModelService/GetModelStatus"


def engine(built: Built, rows: int, seconds: float, name: str = "tensorflow") -> dict[str, Any]:
    """The graph alone, through the same C API, on the server's core: the JSON of the ``floor`` example.

    Builds the example in release mode when it is not up to date.

    Raises:
        subprocess.CalledProcessError: it did not build or did not run.
    """
    program = crates.built(["-p", "taxiway-runtimes", "--example", "floor"], "examples/floor")
    argv = [str(program), "--engine", name, str(built.version)]
    argv += ["--rows", str(rows), "--seconds", f"{seconds:g}"]
    environment = {**os.environ, "TAXIWAY_SITE_PACKAGES": sysconfig.get_path("platlib"), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = pinned(argv, SERVER_CORE)
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120, env=environment)
    document = json.loads(result.stdout)
    if not isinstance(document, dict):
        raise ValueError(f"floor printed {result.stdout!r}")
    return document


def transport(built: Built, request: Target, address: str, scratch: Path) -> dict[str, Target]:
    """Requests to a running Taxiway that run no model, by the names of their loads in the document.

    ``transport`` asks for the model's status and brings as many bytes as the scenario's request, read to their end:
    over gRPC a field that the message does not know, which protobuf steps over; over REST a body that the route has no
    use for. :data:`bench.report.BARE` brings nothing.
    """
    if request.protocol == "rest":
        url = f"http://{address}/v1/models/{built.name}"
        return {"transport": Target(url, "rest", request.body, method="GET"), BARE: _healthz(address)}
    assert request.body is not None
    return {
        "transport": _status(built, address, scratch / "status.grpc", request.body.stat().st_size),
        BARE: _status(built, address, scratch / "status-bare.grpc", 0),
    }


def _healthz(address: str) -> Target:
    return Target(f"http://{address}/healthz", "rest", None, method="GET")


def _status(built: Built, address: str, path: Path, size: int) -> Target:
    """GetModelStatus in about ``size`` bytes, the answer checked."""
    request = message("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = built.name
    bare = bytes(request.SerializeToString())
    body = bare + padding(size - len(framed(bare)))
    with grpc.insecure_channel(address) as channel:
        answer = cases.call(channel, STATUS_METHOD, body, 5)
    path.write_bytes(framed(body))
    return Target(f"http://{address}{STATUS_METHOD}", "grpc", path, len(answer))


def padding(size: int) -> bytes:
    """An unknown protobuf field, number 1000, of bytes, ``size`` with its head; nothing when that is too little."""
    head = b"\xc2\x3e"
    length = size - len(head) - 1
    while length > 0:
        field = head + _varint(length) + bytes(length)
        if len(field) <= size:
            return field
        length -= 1
    return b""


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
