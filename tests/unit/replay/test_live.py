"""Replays within a server: what they need, and what becomes of those that cannot be. Real ones: tests/journeys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.clock import SystemClock
from taxiway.errors import FailedPrecondition
from taxiway.replay.live import LiveReplays
from taxiway.settings import ServerSettings
from taxiway.wire import messages
from taxiway.wire.records import write_records
from taxiway.wire.tensors import tensor_of
from tests.waiting import eventually


def replays(tmp_path: Path, address: str = "grpc://127.0.0.1:1", **settings: Any) -> LiveReplays:
    server = ServerSettings(**{"state": str(tmp_path), **settings})
    return LiveReplays(server, lambda: address, SystemClock())


def record(tmp_path: Path, requests: int) -> None:
    log = messages.PredictionLog()
    log.predict_log.request.model_spec.name = "digits"
    log.predict_log.request.inputs["x"].CopyFrom(tensor_of(np.zeros(1, np.float32)))
    folder = tmp_path / "recordings" / "digits"
    folder.mkdir(parents=True)
    write_records(folder / "digits.tfrecord", [log.SerializeToString()] * requests)


@pytest.mark.parametrize(
    ("settings", "address", "said", "hint"),
    [
        ({}, "grpc://127.0.0.1:1", "no request of digits is recorded", "record_rate = 0.01"),
        ({"state": ""}, "grpc://127.0.0.1:1", "no directory for recorded requests", 'state = "state/"'),
        ({}, "", "gRPC port is off", "--grpc-port"),
        (
            {"tls_cert_file": "a", "tls_client_ca_file": "b"},
            "grpc://h:1",
            "asks callers for a certificate",
            "grpc_socket",
        ),
    ],
)
def test_what_a_replay_needs_is_said_beforehand(
    tmp_path: Path, settings: dict[str, Any], address: str, said: str, hint: str
) -> None:
    with pytest.raises(FailedPrecondition, match=said) as refused:
        replays(tmp_path, address, **settings).check("digits", 10)
    assert hint in str(refused.value.hint)


def test_too_few_recorded_requests_are_counted(tmp_path: Path) -> None:
    record(tmp_path, 3)
    found = replays(tmp_path)
    found.check("digits", 3)
    with pytest.raises(FailedPrecondition, match="3 requests of digits are recorded") as refused:
        found.check("digits", 4)
    assert "--replay requests=3" in str(refused.value.hint)


def test_a_replay_that_cannot_be_ends_with_the_reason(tmp_path: Path) -> None:
    live = replays(tmp_path)
    assert live.found("r", "digits", (2, 1), 5, 1e-3)["requests"] == 5
    eventually(lambda: live.found("r", "digits", (2, 1), 5, 1e-3)["done"])
    assert "no recorded requests" in live.found("r", "digits", (2, 1), 5, 1e-3)["problem"]
