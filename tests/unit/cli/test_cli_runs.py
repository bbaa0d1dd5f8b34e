"""``taxiway runs``: what was trained, on 100 columns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taxiway.cli import main as cli
from taxiway.train.alive import identity
from taxiway.train.record import write_metrics, write_record
from taxiway.train.request import TrainRequest, write_request

HISTORY = [
    {"epoch": 1, "seconds": 61.0, "learning_rate": 0.1, "accuracy": 0.5, "loss": 1.25, "val_accuracy": 0.625, "val_loss": 1.0},
    {"epoch": 2, "seconds": 60.0, "learning_rate": 0.1, "accuracy": 0.75, "loss": 0.75, "val_accuracy": 0.875, "val_loss": 0.512345},
    {"epoch": 3, "seconds": 60.0, "learning_rate": 0.1, "accuracy": 0.9375, "loss": 0.25, "val_accuracy": 0.8125, "val_loss": 0.6875},
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number, (rate, history) in enumerate([(0.1, HISTORY), (0.01, HISTORY[:1]), (0.1, [])]):
        run = tmp_path / f"2026-11-21T10-00-0{number}-digits"
        write_request(run, TrainRequest(job="examples/digits:job", directory="/", epochs=3, params={"rate": rate}))
        status = "finished" if history else "failed"
        write_record(
            run, {"status": status, "started_at": f"2026-11-21T10:00:0{number}Z", "strategy": "parameter-server"}
        )
        write_metrics(run, history)
    return tmp_path


@pytest.fixture
def call(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*argv: str, code: int = 0) -> str:
        assert cli.main(["runs", *argv, "--runs", str(place)]) == code
        captured = capsys.readouterr()
        assert max(map(len, captured.out.splitlines()), default=0) <= 100 or argv[0] == "report"
        return captured.out + captured.err

    return run


Call = Callable[..., str]
A, B = "2026-11-21T10-00-00-digits", "2026-11-21T10-00-01-digits"


def test_the_list_has_best_and_last_newest_first(call: Call) -> None:
    newest, _, oldest = call("list").splitlines()[1:]
    assert newest.split()[:3] == ["2026-11-21T10-00-02-digits", "failed", "parameter-server"]
    assert oldest.split()[3:] == ["3", "3.0", "min", "val_loss", "0.5123", "@2", "0.6875"]


def test_a_run_whose_process_is_gone_is_interrupted_and_can_be_resumed(call: Call, place: Path) -> None:
    assert "interrupted" not in call("list") + call("show", A)
    gone = {**identity(os.getpid()), "boot": "before this one"}
    write_record(place / A, {"status": "running", "started_at": "2026-11-21T10:00:00Z", "process": gone})
    shown = call("list")
    assert "interrupted" in shown and "interrupted" in call("show", A)
    assert f"taxiway train --resume {place / A}" in shown


def test_a_run_is_shown_with_its_report_and_its_epochs(call: Call) -> None:
    path = call("report", A).strip()
    assert Path(path).is_file()
    shown = call("show", A)
    # A long path is folded.
    assert "".join(path.split()) in "".join(shown.split())
    assert "best epoch" in shown and "VAL_ACCURACY" in shown and "0.5123" in shown


def test_a_comparison_shows_what_differs_and_everything_on_request(call: Call) -> None:
    document: dict[str, Any] = json.loads(call("compare", A, B, "--json"))
    assert document["runs"] == [A, B]
    assert document["facts"]["param rate"] == [0.1, 0.01] and document["facts"]["epochs"] == [3, 1]
    assert "strategy" not in document["facts"]
    shown = call("compare", A, B, "--all")
    assert "strategy" in shown and "parameter-server" in shown
    assert "Nothing differs." in call("compare", A, A)


def test_compared_runs_are_drawn_into_one_picture(call: Call, tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    assert f"drew {picture}" in call("compare", A, B, "--picture", str(picture), "--metric", "accuracy")
    assert all(name in picture.read_text() for name in (A, B))


def test_a_metric_without_a_picture_is_refused(call: Call) -> None:
    assert "no --picture" in call("compare", A, "--metric", "loss", code=2)
