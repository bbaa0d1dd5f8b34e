"""A label that is moved in the store moves what requests by that label get, on a server that goes on."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

import taxiway
from taxiway.cli.main import main
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(300)


def test_requests_follow_the_labels_of_the_store(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "models"
    for version in (1, 2, 3):
        taxiway.publish(exported / str(version), "m", store)
    assert main(["versions", "label", "m", "stable=1", "--store", str(store)]) == 0
    with taxiway.serve(store, poll_seconds=0.05) as server:
        by_rest, by_grpc = taxiway.Client(server.url), taxiway.Client(server.grpc_url)

        def answers(label: str | None, version: int) -> bool:
            asked = [client.predict("m", {"x": [0.0]}, label=label) for client in (by_rest, by_grpc)]
            return [(one.version, one["y"].tolist()) for one in asked] == [(version, [float(version)])] * 2

        def there() -> bool:
            try:
                return answers("stable", 1)
            except taxiway.errors.NotFound:  # the model serves with its newest version; the labelled one may still load
                return False

        assert eventually(there) and answers(None, 3)
        assert main(["versions", "label", "m", "stable=2", "--expect", "1", "--store", str(store)]) == 0
        # Between, the label answers with the version before: a NotFound would end this.
        assert eventually(lambda: answers("stable", 2)) and answers(None, 3)
        url = f"{server.url}/v1/models/m/labels/stable:predict"
        with urllib.request.urlopen(url, b'{"instances": [0.0]}', timeout=30) as answer:
            assert json.loads(answer.read()) == {"predictions": [2.0]}
        with pytest.raises(taxiway.errors.InvalidArgument, match="canary") as unknown:
            by_grpc.predict("m", {"x": [0.0]}, label="canary")
        assert "Unrecognized servable version label" in str(unknown.value)
    capsys.readouterr()
