"""A server killed with -9 at random points of a rollout comes back to the same state; see ``tests/kills``."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow


@pytest.mark.timeout(240)
def test_a_server_that_is_killed_in_a_rollout_is_what_its_journal_says(real_models: Path, tmp_path: Path) -> None:
    from tests.kills.__main__ import run

    tally = run(real_models, tmp_path, points=3, seed=1)
    assert tally.points == 3 and tally.events > 3
