"""Serving from Python, with a fake data plane behind it."""

from __future__ import annotations

from pathlib import Path

from taxiway.serve.api import sort_paths, start
from taxiway.settings import read_settings
from taxiway.testing import FakeDataPlane, write_saved_model


def test_nothing_is_ready_before_a_model_is(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "models" / "digits" / "1")
    plane = FakeDataPlane()
    settings = read_settings(environ={}, server={"admin_port": -1, "state": "", "quiet_seconds": 0.0})
    with start(settings, sort_paths(tmp_path / "models"), plane) as handle:
        assert handle.wait_settled(30)
    first = next(table for table in plane.tables if table["ready"])
    assert {name: entry["default"] for name, entry in first["models"].items()} == {"digits": 1}
