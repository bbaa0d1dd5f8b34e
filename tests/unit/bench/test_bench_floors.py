"""The transport floor brings as many bytes as the request that it is the floor of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import floors, models
from bench.load import Target
from bench.report import BARE
from taxiway.wire import message


@pytest.mark.parametrize("size", [4, 20, 130, 131, 132, 3199, 16_388, 16_389, 1_000_000])
def test_padding_is_a_field_that_protobuf_steps_over(size: int) -> None:
    request = message("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = "m"
    padding = floors.padding(size)
    assert size - 1 <= len(padding) <= size
    read = message("tensorflow.serving.GetModelStatusRequest").FromString(request.SerializeToString() + padding)
    assert read.model_spec.name == "m"


def test_a_request_too_small_for_a_field_gets_none() -> None:
    assert floors.padding(3) == floors.padding(-5) == b""


def test_the_rest_floor_asks_for_the_status_with_the_requests_own_body(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    built = models.Built.__new__(models.Built)
    object.__setattr__(built, "name", "digits")
    found = floors.transport(built, Target("http://h:1/v1/models/digits:predict", "rest", body), "h:1", tmp_path)
    same = found["transport"]
    assert (same.url, same.method, same.body) == ("http://h:1/v1/models/digits", "GET", body)
    assert found[BARE].body is None and found[BARE].method == "GET"
