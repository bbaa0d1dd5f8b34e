"""Settings are tried on a real server, and the best ones are served with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.cli.main import main
from taxiway.settings import read_settings

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")


def test_the_best_settings_of_a_model_are_found_and_written(
    store: Path, digits_cases: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, file = tmp_path / "rows.npz", tmp_path / "taxiway.toml"
    np.savez(rows, image=digits_cases["image"])
    file.write_text("# kept\n[server]\npoll_seconds = 2.0\n")
    # One trial always runs; the time for more is up when it has.
    asked = [
        "tune-serving",
        "digits",
        "--store",
        str(store),
        "--data",
        str(rows),
        "--budget",
        "1s",
        "--json",
        "--engine",
        "tensorflow",
    ]
    assert main([*asked, "--concurrency", "2", "--latency", "10m", "--write", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    (trial,) = found["trials"]
    assert trial["requests_per_second"] > 0 and trial["problem"] is None and trial["concurrency"] == 2
    assert (found["best"]["model"], found["requests"]) == (
        {"engine": "tensorflow", "batching": "off"},
        "12 requests of 1 row",
    )
    assert found["written"] == str(file) and file.read_text().startswith("# kept\n[server]\npoll_seconds = 2.0\n")
    settings = read_settings(file, environ={})
    assert Path(settings.models["digits"].source).resolve() == (store / "digits").resolve()

    assert main([*asked, "--concurrency", "2", "--latency", "0.001ms"]) == 1
    captured = capsys.readouterr()
    assert "nothing is within the target; the nearest is" in captured.err and json.loads(captured.out)["best"] is None
