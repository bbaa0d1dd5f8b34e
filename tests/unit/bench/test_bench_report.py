"""The page and the picture say what the document holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import report


def _load(connections: int, rate: float, p50_us: float) -> dict[str, Any]:
    figures = {"requests": 10, "seconds": 1.0, "requests_per_second": rate}
    figures |= {"p50_us": p50_us, "p95_us": 2 * p50_us, "p99_us": 3 * p50_us, "max_us": 4 * p50_us}
    return {"connections": connections, **figures, "agreed": True, "windows": [figures], "histograms": [[[100, 10]]]}


def _participant(name: str, rates: tuple[float, float]) -> dict[str, Any]:
    loads = [_load(1, rates[0], 150), _load(16, rates[1], 1500)]
    return {"name": name, "title": name.title(), "ready_seconds": 1.0, "rss_mib": 100.0, "loads": loads}


@pytest.fixture
def document() -> dict[str, Any]:
    floors = {
        "transport": [_load(1, 20_000, 50), _load(16, 20_000, 800)],
        "engine": {"engine": "tensorflow", "us_p50": 100},
    }
    scenario = {
        "name": "s",
        "title": "a <digit>",
        "model": "m",
        "protocol": "grpc",
        "rows": 1,
        "participants": [_participant("taxiway", (5000, 6000)), _participant("rival", (500, 400))],
        "left_out": [{"name": "tfs", "why": "not on PATH"}],
        "floors": floors,
    }
    return {"environment": {"cpu": "a fast one"}, "scenarios": [scenario]}


def test_page_gives_ratios_at_each_concurrency(document: dict[str, Any]) -> None:
    text = report.page(document)
    assert "| Rival | 1 | 500 | **10.0** |" in text
    assert "| Rival | 16 | 400 | **15.0** |" in text
    assert "| cpu | a fast one |" in text
    assert "tfs left out: not on PATH" in text


def test_limits_compare_with_both_floors(document: dict[str, Any]) -> None:
    text = "\n".join(report.limits(document["scenarios"][0]))
    # 1 ÷ (100 µs + 50 µs) = 6,667 a second allowed, 6,000 reached; (150 - 100) ÷ 50 = 1.
    assert "allow 6,667 requests/s, a run for each; Taxiway reaches 0.90" in text
    assert "is 1.00 times" in text


def test_the_floor_that_brings_nothing_is_told_beside(document: dict[str, Any]) -> None:
    scenario = document["scenarios"][0]
    scenario["floors"][report.BARE] = [_load(1, 40_000, 25), _load(16, 40_000, 400)]
    # 1 ÷ (100 µs + 25 µs) = 8,000 a second; (150 - 100) ÷ 25 = 2.
    assert "brings no bytes either, the two are 0.75 and 2.00" in "\n".join(report.limits(scenario))
    assert "| Taxiway, no model, no bytes | 16 | 40,000 |" in report.page(document)
    assert "s/no model, no bytes/1" in report.split_samples(document)[1]["windows"]


def test_samples_are_kept_apart(document: dict[str, Any]) -> None:
    figures, samples = report.split_samples(document)
    assert samples["windows"]["s/rival/16"] == [[[100, 10]]]
    assert samples["windows"]["s/no model/1"] == [[[100, 10]]]
    assert "histograms" not in figures["scenarios"][0]["participants"][0]["loads"][0]
    assert "histograms" in document["scenarios"][0]["participants"][0]["loads"][0]


def test_picture_is_svg_with_bars_in_proportion(document: dict[str, Any]) -> None:
    root = ElementTree.fromstring(report.picture(document["scenarios"][0]))
    widths = [float(rect.get("width", "0")) for rect in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert widths[0] == pytest.approx(15 * widths[1], rel=0.01)
    assert any(text.text == "6,000" for text in root.iter("{http://www.w3.org/2000/svg}text"))


def test_parts_of_several_runs_are_put_together_and_the_newest_counts(tmp_path: Path, document: dict[str, Any]) -> None:
    def stamp(commit: str) -> dict[str, str]:
        return {"commit": commit, "date": "d", "load average before": "0.1"}

    def run(name: str, commit: str, measures: dict[str, Any]) -> dict[str, Any]:
        (scenario,) = document["scenarios"]
        part = {**scenario, "name": name, "measured": stamp(commit)}
        return {"environment": {"cpu": commit}, "scenarios": [part], "measures": measures}

    report.merge(run("s", "one", {"cores": {"not_measured": "few", "measured": stamp("one")}}), tmp_path)
    report.merge(run("r", "one", {}), tmp_path)
    report.merge(run("s", "two", {}), tmp_path)
    kept = json.loads((tmp_path / "latest.json").read_text())
    assert [(one["name"], one["measured"]["commit"]) for one in kept["scenarios"]] == [("r", "one"), ("s", "two")]
    assert kept["measures"]["cores"]["not_measured"] == "few" and kept["environment"] == {"cpu": "two"}
    samples = json.loads((tmp_path / "samples.json").read_text())["windows"]
    assert {"s/rival/16", "r/rival/16"} <= set(samples)
    assert report.measured_at("one", tmp_path) == {"r", "cores"} and report.measured_at("two", tmp_path) == {"s"}
    text = (tmp_path / "REPORT.md").read_text()
    assert "## Targets" in text and "Of d, two, load 0.1 before." in text
    assert not list(tmp_path.glob(".*"))


def test_the_summary_compares_the_best_of_each(document: dict[str, Any]) -> None:
    assert "| a <digit>, 16 connections | 6,000 | 4.5 ms | Rival 12.0 |" in report.summary(document)
    scenario = document["scenarios"][0]
    scenario["participants"].insert(1, _participant("taxiway-auto", (5000, 9000)) | {"title": "Taxiway, batching auto"})
    assert "| a <digit>, batching auto, 16 connections | 9,000 | 4.5 ms | Rival 18.0 |" in report.summary(document)
    assert "reaches 0.90 of that. With batching auto, which shares runs, it reaches 1.35." in report.page(document)
