"""A version with 5 % errors beside one with 1 %, through the whole server; see ``tests/detections.py`` for more seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow


@pytest.mark.timeout(600)
def test_five_times_the_errors_are_rolled_back_after_some_hundred_requests(real_models: Path, tmp_path: Path) -> None:
    from tests.detections import BAD, SAME, decide, serve

    with serve(real_models, tmp_path) as server:
        found = decide(server, BAD, seed=1, most_requests=5000)
        same = decide(server, SAME, seed=1, most_requests=1000)
    assert (found.state, found.because) == ("rolled back", "errors")
    assert 200 < found.requests < 3000
    assert same.state not in ("rolled back", "failed")
