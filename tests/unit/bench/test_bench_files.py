"""Scenario and peer files are checked when read, and the shipped ones name each other and the models correctly."""

from __future__ import annotations

from typing import Any

import pytest

from bench import models, participants, scenario

_SCENARIO: dict[str, Any] = {
    "title": "t",
    "model": "digits-mlp",
    "protocol": "grpc",
    "rows": 1,
    "connections": [1],
    "peers": [],
    "window_seconds": 1.0,
    "smoke": False,
}


def test_shipped_scenarios_name_models_and_peers_that_speak_their_protocol() -> None:
    peers = participants.load_all()
    scenarios = scenario.load_all()
    assert set(scenarios) == {
        "big-json-rest", "digits-cnn-grpc", "digits-mlp-grpc", "digits-mlp-rest", "mobilenet-grpc", "wide-text-grpc"
    }  # fmt: skip
    for one in scenarios.values():
        assert one.model in models.NAMES
        for name in (participants.OURS, *one.peers):
            assert one.protocol in peers[name].protocols


def test_every_environment_is_listed() -> None:
    for peer in participants.load_all().values():
        if peer.environment:
            assert (participants.PEERS / "environments" / f"{peer.environment}.txt").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "soap"}, "protocol"),
        ({"connections": []}, "connections"),
        ({"connections": [0]}, "connections"),
        ({"extra": 1}, "keys"),
    ],
)
def test_a_wrong_scenario_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenario.parse("x", {**_SCENARIO, **change})


def test_a_participant_whose_program_is_missing_is_left_out(tmp_path: Any) -> None:
    peer = participants.Participant("x", "X", ("grpc",), "tensorflow", "", "no-such-model-server", ("x",), 1.0)
    assert participants.interpreter(peer, tmp_path) is None


def test_a_command_is_filled_in() -> None:
    peer = participants.Participant("x", "X", ("grpc",), "tensorflow", "", "", ("{python}", "--port={grpc}"), 1.0)
    assert peer.argv({"python": "py", "grpc": "8500"}) == ["py", "--port=8500"]
