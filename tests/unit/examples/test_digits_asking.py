"""An answer of the demo counts only when it is the one its version gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import taxiway
from examples.digits import asking
from examples.digits.asking import Askers, Cases, ask
from taxiway.errors import Unavailable
from tests.waiting import PATIENCE_SECONDS

_RIGHT = {1: np.full((3, 10), 0.1, np.float32), 2: np.eye(3, 10, dtype=np.float32)}
CASES = Cases(np.zeros((3, 8, 8), np.float32), np.arange(3), _RIGHT)


class _Answer(dict[str, Any]):
    version: int
    request_id = "one"


class _Client:
    """Answers as ``version`` with the probabilities of ``truth``; raises when there is none."""

    version, truth = 1, 1

    def __init__(self, url: str = "") -> None:
        self.url = url

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def predict(self, model: str, inputs: dict[str, Any], routing_key: str | None) -> _Answer:
        if self.truth not in _RIGHT:
            raise Unavailable("draining")
        answer = _Answer(probabilities=_RIGHT[self.truth][: len(inputs["image"])])
        answer.version = self.version
        return answer


def _client(version: int, truth: int) -> Any:
    client = _Client()
    client.version, client.truth = version, truth
    return client


def test_a_right_answer_names_its_version() -> None:
    asked = ask(_client(2, truth=2), CASES, 0)
    assert (asked.version, asked.problem) == (2, None)


@pytest.mark.parametrize(
    ("version", "truth", "problem"),
    [(1, 2, "version 1 answered wrongly"), (7, 1, "never published"), (1, 0, "UNAVAILABLE: draining")],
)
def test_other_answers_are_problems(version: int, truth: int, problem: str) -> None:
    asked = ask(_client(version, truth), CASES, 0)
    assert asked.problem is not None and problem in asked.problem


def test_an_answer_that_is_no_number_is_the_fault_of_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = {3: np.full((3, 10), np.nan, np.float32)}
    monkeypatch.setitem(_RIGHT, 3, faulty[3])
    asked = ask(_client(3, truth=3), Cases(CASES.images, CASES.labels, faulty), 0)
    assert asked.faulty and asked.problem == "version 3 answered what is no number"


def test_askers_see_a_version_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "taxiway", SimpleNamespace(Client=_Client, errors=taxiway.errors))
    monkeypatch.setattr(_Client, "version", 1)
    monkeypatch.setattr(_Client, "truth", 1)
    askers = Askers(["http://one", "grpc://two"], CASES, pace_seconds=0.0005)
    askers.start()
    assert askers.wait_for(1, PATIENCE_SECONDS) is not None
    assert askers.wait_for(2, 0.05) is None
    _Client.version = 2
    _Client.truth = 2
    assert askers.wait_for(2, PATIENCE_SECONDS) is not None
    askers.stop()
    count = len(askers.asked())
    # Each of the two from each version, at least.
    assert count >= 4
    assert len(askers.asked()) == count
