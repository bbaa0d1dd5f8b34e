"""What people look at of a run: the page, its pictures, and what is told while a run is trained."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from taxiway.cli.progress import Bar
from taxiway.errors import InvalidArgument, NotFound
from taxiway.train import report
from taxiway.train.history import best_entry, metric_names, series
from taxiway.train.record import write_metrics, write_record
from taxiway.train.report.curves import draw, overlay
from taxiway.train.report.profile import Profile
from taxiway.train.report.progress import Lines, Step
from taxiway.train.report.watch import Part, Watch
from taxiway.train.report.write import Pictures
from taxiway.train.request import TrainRequest, write_request
from taxiway.train.runs import list_runs

HISTORY = [
    {"epoch": 1, "seconds": 1.5, "learning_rate": 0.1, "accuracy": 0.5, "loss": 1.25, "val_accuracy": 0.625, "val_loss": 1.0},
    {"epoch": 2, "seconds": 1.0, "learning_rate": 0.1, "accuracy": 0.75, "loss": 0.75, "val_accuracy": 0.875, "val_loss": 0.5},
    {"epoch": 3, "seconds": 1.0, "learning_rate": 0.01, "accuracy": 0.9375, "loss": 0.25, "val_accuracy": 0.8125, "val_loss": 0.6875},
]  # fmt: skip
NASTY = "<script>alert('$x$')</script>"


class Ticking:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    now = monotonic

    def wait(self, event: object, timeout_seconds: float | None) -> bool:
        raise AssertionError("nothing here waits")


class Page(HTMLParser):
    """What a page opens and closes, shows, and refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.refers += [str(value) for name, value in attrs if name in ("src", "href") and tag not in ("use",)]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def run_dir(path: Path, history: Sequence[dict[str, Any]] = HISTORY, **record: Any) -> Path:
    write_request(path, TrainRequest(job="examples/digits:job", directory="/", epochs=3, params={"rate": 0.1}))
    write_metrics(path, history)
    write_record(path, {"status": "finished", "started_at": "2026-11-21T10:00:00Z", "params": {"rate": 0.1}, **record})
    return path


def test_the_report_says_the_outcome_the_metrics_and_how_to_go_on(tmp_path: Path) -> None:
    path = report(run_dir(tmp_path / "run", strategy="mirrored", replicas=2, environment={"python": "3.11.7"}))
    assert path == tmp_path / "run" / "report.html"
    page = Page(path.read_text())
    assert page.open == [] and page.refers == [] and "script" not in page.tags
    for said in (
        "finished",
        "3 of 3 epochs",
        "best epoch (2)",
        "last epoch (3)",
        "0.875",
        "0.8125",
        "mirrored",
        "3.11.7",
        "rate",
    ):
        assert said in page.text
    assert f"taxiway publish {tmp_path / 'run'} digits" in page.text
    assert {"svg", "path"} <= page.tags


def test_what_came_from_a_run_is_escaped(tmp_path: Path) -> None:
    entry = {"epoch": 1, "seconds": 1.0, NASTY: 0.5, "loss": 0.5}
    path = run_dir(
        tmp_path / "run", [entry], status="failed", error=NASTY, params={NASTY: NASTY}, environment={NASTY: [NASTY]}
    )
    page = Page(report(path).read_text())
    assert "script" not in page.tags and page.open == []
    assert page.text.count(NASTY) >= 5


def test_a_run_that_failed_before_its_first_epoch_has_a_report_with_the_error(tmp_path: Path) -> None:
    path = run_dir(tmp_path / "run", [], status="failed", error="There is no device GPU:0.")
    page = Page(report(path).read_text())
    assert "There is no device GPU:0." in page.text and "No epoch was finished." in page.text
    assert f"taxiway train --resume {path}" in page.text and "taxiway publish" not in page.text
    assert not (path / "curves.svg").exists()


def test_a_directory_that_is_no_run_gets_no_files(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no run"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_report_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(report(run_dir(tmp_path / "run")).read_text())
    assert "pip install 'taxiway[train]'" in page.text and "0.8125" in page.text and "svg" not in page.tags


def test_curves_have_readable_labels_and_are_the_same_bytes_again(tmp_path: Path) -> None:
    svg, png = draw(HISTORY, tmp_path)
    texts = {
        "".join(one.itertext()).strip()
        for one in ElementTree.fromstring(svg.read_text()).iter()
        if one.tag.endswith("text")
    }
    assert {
        "loss",
        "accuracy",
        "learning rate",
        "training",
        "validation",
        "best epoch",
        "epoch",
        "1",
        "2",
        "3",
    } <= texts
    assert png.read_bytes().startswith(b"\x89PNG")
    before = svg.read_bytes()
    draw(HISTORY, tmp_path)
    assert svg.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["curves.png", "curves.svg"]


def test_one_metric_of_several_runs_is_one_picture(tmp_path: Path) -> None:
    path = overlay({"a": HISTORY, "b_$x$": HISTORY[:2]}, "val_loss", tmp_path / "both.svg")
    assert "b_$x$" in path.read_text()
    with pytest.raises(InvalidArgument, match="No run has a metric 'f1'"):
        overlay({"a": HISTORY}, "f1", tmp_path / "none.svg")
    with pytest.raises(InvalidArgument, match=r"neither \.svg nor \.png"):
        overlay({"a": HISTORY}, "loss", tmp_path / "none.pdf")


def test_the_best_epoch_is_the_earliest_with_the_lowest_validation_loss() -> None:
    assert best_entry(HISTORY) == HISTORY[1]
    assert best_entry([*HISTORY, {**HISTORY[1], "epoch": 4}]) == HISTORY[1]
    assert best_entry([{"epoch": 1, "loss": float("nan")}]) is None
    assert best_entry([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]) == {"epoch": 2, "loss": 1.0}
    assert metric_names(HISTORY) == ["loss", "accuracy"]
    assert series([{"epoch": 1, "loss": float("inf")}, {"epoch": 2, "loss": 1.0}], "loss") == ([2], [1.0])


def test_pictures_take_a_small_part_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = Ticking(), list[float]()

    def write(_run_dir: Path) -> None:
        written.append(clock.time)
        clock.time += 2.0

    monkeypatch.setattr(sys.modules[Pictures.__module__], "report", write)
    pictures = Pictures(tmp_path, clock)
    for now in (49.0, 51.0, 100.0, 150.0, 154.0):
        clock.time = now
        pictures.keep([])
    assert written == [51.0, 154.0]


def test_a_part_that_fails_ends_alone() -> None:
    said, kept = list[str](), list[int]()

    class Broken(Part):
        def keep(self, history: Sequence[Any]) -> None:
            raise OSError("No space left on device")

    class Counting(Part):
        def keep(self, history: Sequence[Any]) -> None:
            kept.append(len(history))

    watch = Watch([Broken(), Counting()], said.append)
    watch.keep(HISTORY)
    watch.keep(HISTORY)
    assert said == ["broken ends: OSError: No space left on device"] and kept == [3, 3]


def test_long_epochs_have_a_line_now_and_then() -> None:
    clock, said = Ticking(), list[str]()
    lines = Lines(said.append, clock)
    for now, step in ((0.0, 1), (29.0, 2), (31.0, 3), (45.0, 4), (62.0, 5)):
        clock.time = now
        lines(Step(1, 2, step, None if step == 5 else 9, 0.51239))
    clock.time = 99.0
    lines(Step(2, 2, 1, 9, None))
    assert said == ["epoch 1/2  step 3/9  loss 0.5124", "epoch 1/2  step 5  loss 0.5124"]


@pytest.mark.parametrize("steps", [9, None])
def test_a_bar_moves_on_a_terminal_and_makes_room_for_lines(steps: int | None) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock, terminal = Ticking(), Terminal()
    bar = Bar(terminal, clock)
    for step in (1, 2, 3):
        clock.time = step / 5
        bar(Step(1, 2, step, steps, 0.5))
    bar.say("epoch 1/2  loss 0.5")
    text = terminal.getvalue()
    assert "epoch 1/2" in text and "loss 0.5" in text and ("3/9" in text or steps is None)
    assert text.endswith("\r\x1b[K\x1b[?25hepoch 1/2  loss 0.5\n")


def test_a_profile_beyond_the_epoch_is_refused_before_training(tmp_path: Path) -> None:
    profile = Profile(3, 20, tmp_path, print)
    profile.epoch(1, 20)
    profile.epoch(1, None)
    with pytest.raises(InvalidArgument, match=r"Batches 3 to 20 .* an epoch has 14"):
        profile.epoch(1, 14)


@pytest.mark.parametrize("batches", [(0, 1), (3, 2), (1,), (1, 2, 3), (1.0, 2), (True, 2), (1, 1001)])
def test_a_profile_of_no_range_is_refused(batches: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgument, match="profile"):
        TrainRequest(job="a:b", profile=batches)


def test_a_request_with_a_profile_is_read_back() -> None:
    request = TrainRequest(job="a:b", directory="/", profile=(2, 4))
    assert TrainRequest.from_json(request.to_json()) == request
    assert "profile" in json.loads(request.to_json())


def test_runs_of_different_names_are_listed_newest_first(tmp_path: Path) -> None:
    run_dir(tmp_path / "a", started_at="2026-11-21T10:00:00Z")
    run_dir(tmp_path / "b", started_at="2026-11-21T10:00:02Z")
    run_dir(tmp_path / "z", started_at="2026-11-21T10:00:01Z")
    assert [run.id for run in list_runs(tmp_path)] == ["b", "z", "a"]
