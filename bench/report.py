"""``results/``: the document of a run as JSON, as a page, and as pictures. Pure until :func:`write`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taxiway.load.svg import Bar, bars

RESULTS = Path(__file__).parent / "results"


def write(document: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write ``latest.json``, ``samples.json`` (the histograms), ``REPORT.md`` and a picture a scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, samples = split_samples(document)
    (folder / "latest.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    (folder / "samples.json").write_text(json.dumps(samples, separators=(",", ":")) + "\n")
    (folder / "REPORT.md").write_text(page(figures))
    for scenario in figures["scenarios"]:
        (folder / f"{scenario['name']}.svg").write_text(picture(scenario))


def split_samples(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document without its histograms, and the histograms by scenario, participant and connections."""
    figures = json.loads(json.dumps(document))
    samples: dict[str, Any] = {}
    for scenario in figures["scenarios"]:
        loads = [(one["name"], one["loads"]) for one in scenario["participants"]]
        for name, entries in [*loads, ("no model", scenario["floors"]["transport"])]:
            for entry in entries:
                samples[f"{scenario['name']}/{name}/{entry['connections']}"] = entry.pop("histograms")
    return figures, {"unit": "microseconds, three significant digits: [value, count]", "windows": samples}


def page(document: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [
        "# Benchmark",
        "",
        "Written by `make bench`; [how it is measured](../README.md). Absolute figures belong to the machine below; "
        "the ratios, taken side by side in one run, are what to compare.",
        "",
    ]
    for scenario in document["scenarios"]:
        lines += _scenario(scenario)
    lines += ["## Environment", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in document["environment"].items()]
    return "\n".join([*lines, ""])


def _scenario(scenario: dict[str, Any]) -> list[str]:
    ours = scenario["participants"][0]
    lines = [f"## {scenario['title']}", "", f"![{scenario['title']}]({scenario['name']}.svg)", ""]
    lines += ["| server | connections | requests/s | ours ÷ it | p50 | p95 | p99 | memory | start | windows |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    for participant in scenario["participants"]:
        for entry, own in zip(participant["loads"], ours["loads"], strict=True):
            ratio = own["requests_per_second"] / entry["requests_per_second"]
            lines.append(
                f"| {participant['title']} | {entry['connections']} | {entry['requests_per_second']:,.0f} | "
                f"{'' if participant is ours else f'**{ratio:.1f}**'} | {_latencies(entry)} | "
                f"{participant['rss_mib']:.0f} MiB | {participant['ready_seconds']:.1f} s | {_trust(entry)} |"
            )
    for entry in scenario["floors"]["transport"]:
        lines.append(
            f"| Taxiway, no model | {entry['connections']} | {entry['requests_per_second']:,.0f} | | "
            f"{_latencies(entry)} | | | {_trust(entry)} |"
        )
    lines += ["", *(f"- {line}" for line in limits(scenario)), ""]
    return lines


def _latencies(entry: dict[str, Any]) -> str:
    return " | ".join(f"{entry[f'{key}_us'] / 1000:.2f} ms" for key in ("p50", "p95", "p99"))


def _trust(entry: dict[str, Any]) -> str:
    return f"{len(entry['windows'])}, {'agree' if entry['agreed'] else 'did not agree'}"


def limits(scenario: dict[str, Any]) -> list[str]:
    """Sentences on how near the floors the scenario came, and who was left out."""
    sentences = [f"{one['name']} left out: {one['why']}" for one in scenario["left_out"]]
    engine = scenario["floors"].get("engine")
    if engine is None:
        return sentences
    engine_us = float(engine["us_p50"])
    ours = scenario["participants"][0]["loads"]
    bare = scenario["floors"]["transport"]
    sentences.append(f"The bare engine ({engine['engine']}) needs {engine_us:.0f} µs for a request.")
    allowed = 1e6 / (engine_us + 1e6 / bare[-1]["requests_per_second"])
    reached = ours[-1]["requests_per_second"] / allowed
    sentences.append(
        f"At {ours[-1]['connections']} connections engine and transport together allow {allowed:,.0f} requests/s; "
        f"Taxiway reaches {reached:.2f} of that."
    )
    added = (ours[0]["p50_us"] - engine_us) / bare[0]["p50_us"]
    sentences.append(
        f"With {ours[0]['connections']} connection, p50 without the engine's time is {added:.2f} times that of a "
        "request that runs no model."
    )
    return sentences


def picture(scenario: dict[str, Any]) -> str:
    """Requests a second at the largest concurrency, as bars."""
    rows = []
    ours = scenario["participants"][0]["loads"][-1]
    for index, participant in enumerate(scenario["participants"]):
        entry = participant["loads"][-1]
        ratio = "" if index == 0 else f"  (÷ {ours['requests_per_second'] / entry['requests_per_second']:.1f})"
        text = f"{entry['requests_per_second']:,.0f}{ratio}"
        rows.append(Bar(participant["title"], entry["requests_per_second"], text, "ours" if index == 0 else "peer"))
    title = f"Requests a second, {scenario['title']}, {ours['connections']} connections, one core"
    return bars(title, rows)
