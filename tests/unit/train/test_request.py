"""The document between whoever starts processes and the processes that train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.errors import InvalidArgument, NotFound
from taxiway.train.request import STRATEGIES, TrainRequest, read_request, write_request

PARAMS = st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.none()))


@given(
    params=PARAMS,
    strategy=st.sampled_from(STRATEGIES),
    epochs=st.integers(1, 10**6),
    seed=st.integers(0, 2**32 - 1),
    devices=st.lists(st.sampled_from(["CPU:0", "GPU:1"]), max_size=3),
)
def test_a_request_survives_the_disk(
    params: dict[str, Any], strategy: str, epochs: int, seed: int, devices: list[str]
) -> None:
    request = TrainRequest(
        job="a:b", params=params, strategy=strategy, epochs=epochs, seed=seed, devices=tuple(devices)
    )
    assert TrainRequest.from_json(request.to_json()) == request


def test_the_runtime_stands_as_json_and_takes_the_runs_seed() -> None:
    request = TrainRequest(job="a:b", seed=7, runtime={"visible_gpus": (0,), "deterministic": True, "seed": 7})
    assert request.runtime == {"visible_gpus": [0], "deterministic": True}
    assert TrainRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"strategy": "miror"}, "no strategy 'miror'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"runtime": {"logical_cpu": 2}}, "no runtime setting 'logical_cpu'"),
        ({"runtime": {"logical_cpus": 0}}, "logical_cpus is 0"),
        ({"runtime": {"seed": 4}}, "The runtime's seed is 4, the run's is 0."),
        ({"epochs": True}, "epochs is True"),
        ({"global_batch": "32"}, "global_batch is '32'"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"job": ""}, "No job"),
        ({"epoch": 3}, "unknown key 'epoch'"),
        ({"params": [1]}, "params is [1]"),
    ],
)
def test_a_wrong_document_is_refused_with_what_is_wrong(change: dict[str, Any], sentence: str) -> None:
    document = json.loads(TrainRequest(job="a:b").to_json()) | change
    with pytest.raises(InvalidArgument) as caught:
        TrainRequest.from_json(json.dumps(document))
    assert sentence in caught.value.message


def test_a_typo_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InvalidArgument) as caught:
        TrainRequest(job="a:b", strategy="mirored")
    assert caught.value.hint == "Did you mean mirrored?"


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        TrainRequest.from_json(text)


def test_parameters_that_are_no_json_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="cannot be written as JSON"):
        TrainRequest(job="a:b", params={"x": {1, 2}}).to_json()


def test_a_run_keeps_its_request(tmp_path: Path) -> None:
    request = TrainRequest(job="a:b", epochs=3)
    write_request(tmp_path / "run", request)
    write_request(tmp_path / "run", request)
    assert read_request(tmp_path / "run") == request
    with pytest.raises(InvalidArgument, match="something else: epochs, seed"):
        write_request(tmp_path / "run", TrainRequest(job="a:b", epochs=4, seed=1))
    assert read_request(tmp_path / "run") == request


def test_a_directory_without_a_request_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no run"):
        read_request(tmp_path)
