"""The benchmark runs and its answers are right. No figure is asserted: this machine is shared."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import load
from bench.__main__ import main


@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(load.missing_tools()), reason="wrk, h2load or taskset is not installed")
@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("taxiway._server", "tensorflow", "sklearn")),
    reason="needs the built data plane, TensorFlow and scikit-learn: make setup",
)
def test_taxiway_is_measured_over_both_protocols(tmp_path: Path) -> None:
    assert main(["--smoke", "--build", str(tmp_path / "build"), "--results", str(tmp_path / "results")]) == 0
    document = json.loads((tmp_path / "results" / "latest.json").read_text())
    protocols = {scenario["protocol"]: scenario["participants"][0] for scenario in document["scenarios"]}
    assert set(protocols) == {"grpc", "rest"}
    for ours in protocols.values():
        assert ours["name"] == "taxiway"
        assert all(entry["requests"] > 0 for entry in ours["loads"])
    assert "one 28×28 digit over gRPC" in (tmp_path / "results" / "REPORT.md").read_text()
    assert (tmp_path / "results" / "digits-mlp-rest.svg").is_file()


def test_an_unknown_part_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-part"]) == 2
    assert "no part no-such-part" in capsys.readouterr().err
