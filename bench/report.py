"""``results/``: the document of a run as JSON, as a page, and as pictures. Pure until :func:`write`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import participants
from taxiway.load.svg import Bar, bars

RESULTS = Path(__file__).parent / "results"

# Our own server with each setting that is measured; the faster is held to peers and floors.
OURS = (participants.OURS, "taxiway-auto")

# The floor of requests that run no model and bring nothing; beside "transport", whose bring the scenario's bytes.
BARE = "transport_no_bytes"

# What the loads without a model are called, in samples.json and in the report.
FLOORS = {
    "transport": ("no model", "no model, as many bytes"),
    BARE: ("no model, no bytes", "no model, no bytes"),
}


def write(document: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write ``latest.json``, ``samples.json`` (the histograms), ``REPORT.md`` and a picture a scenario."""
    figures, samples = split_samples(document)
    _write(figures, samples, folder)


def merge(part: dict[str, Any], folder: Path = RESULTS) -> None:
    """Put what was measured now into what is there: its scenarios and measures replace those of their names.

    Args:
        part: a document as of :func:`write`; each scenario and measure says under ``measured`` of which run it is.
    """
    figures, samples = split_samples(part)
    before = _read(folder / "latest.json", {"scenarios": [], "measures": {}})
    kept = _read(folder / "samples.json", {"windows": {}})
    names = {one["name"] for one in figures["scenarios"]}
    scenarios = [one for one in before["scenarios"] if one["name"] not in names] + figures["scenarios"]
    figures["scenarios"] = sorted(scenarios, key=lambda one: str(one["name"]))
    figures["measures"] = {**before.get("measures", {}), **figures.get("measures", {})}
    old = {key: one for key, one in kept["windows"].items() if key.partition("/")[0] not in names}
    _write(figures, {**samples, "windows": {**old, **samples["windows"]}}, folder)


def measured_at(commit: str, folder: Path = RESULTS) -> set[str]:
    """The names of the scenarios and measures that the results have of a commit."""
    document = _read(folder / "latest.json", {"scenarios": []})
    parts = {one["name"]: one for one in document["scenarios"]} | document.get("measures", {})
    return {name for name, one in parts.items() if one.get("measured", {}).get("commit") == commit}


def _read(path: Path, otherwise: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else otherwise
    return found


def _write(figures: dict[str, Any], samples: dict[str, Any], folder: Path) -> None:
    from bench import targets

    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "samples.json": json.dumps(samples, separators=(",", ":")) + "\n",
        "REPORT.md": page(figures, targets.table(figures)),
        **{f"{scenario['name']}.svg": picture(scenario) for scenario in figures["scenarios"]},
        "latest.json": json.dumps(figures, indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in files.items():
        # A run that is ended between two parts leaves whole files.
        staged = folder / f".{name}"
        staged.write_text(text)
        staged.replace(folder / name)


def split_samples(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document without its histograms, and the histograms by scenario, participant and connections."""
    figures = json.loads(json.dumps(document))
    samples: dict[str, Any] = {}
    for scenario in figures["scenarios"]:
        loads = [(one["name"], one["loads"]) for one in scenario["participants"]]
        for name, entries in [*loads, *((name, entries) for name, _, entries in bare(scenario))]:
            for entry in entries:
                samples[f"{scenario['name']}/{name}/{entry['connections']}"] = entry.pop("histograms")
    return figures, {"unit": "microseconds, three significant digits: [value, count]", "windows": samples}


def page(document: dict[str, Any], targets: Sequence[tuple[str, str, str, str]] = ()) -> str:
    """The report as Markdown.

    Args:
        document: of ``latest.json``.
        targets: rows of :func:`bench.targets.table`.
    """
    lines = [
        "# Benchmark",
        "",
        "Written by `make bench`; [how it is measured](../README.md). Absolute figures belong to the machine below; "
        "the ratios, taken side by side in one run, are what to compare.",
        "",
    ]
    if targets:
        lines += ["## Targets", "", "| | target | figure | |", "|---|--:|--:|---|"]
        lines += [f"| {' | '.join(row)} |" for row in targets]
        lines += [""]
    for scenario in document["scenarios"]:
        lines += _scenario(scenario)
    if measures := document.get("measures"):
        lines += ["## Measures", "", "Of what `bench/measures.py` says.", "", "| | | of |", "|---|---|---|"]
        lines += [_measure(name, one) for name, one in measures.items()]
        lines += [""]
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
    for _, title, entries in bare(scenario):
        lines += [
            f"| Taxiway, {title} | {entry['connections']} | {entry['requests_per_second']:,.0f} | | "
            f"{_latencies(entry)} | | | {_trust(entry)} |"
            for entry in entries
        ]
    stamp = _of(scenario)
    lines += ["", *(f"- {line}" for line in (*limits(scenario), *([f"Of {stamp}."] if stamp else []))), ""]
    return lines


def _measure(name: str, document: dict[str, Any]) -> str:
    said = {key: one for key, one in document.items() if key != "measured"}
    return f"| {name} | `{json.dumps(said)}` | {_of(document)} |"


def _of(document: dict[str, Any]) -> str:
    """Of which run something is."""
    stamp = document.get("measured")
    return f"{stamp['date']}, {stamp['commit']}, load {stamp['load average before']} before" if stamp else ""


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
    bare = ", ".join(f"{name} {one['us_p50']:,.0f} µs" for name, one in scenario["floors"].get("engines", {}).items())
    sentences.append(
        f"The bare engine ({engine['engine']}) needs {engine_us:,.0f} µs for a request{f' ({bare})' if bare else ''}."
    )
    sentences.append(
        f"At {ours[-1]['connections']} connections engine and transport together allow {allowed(scenario):,.0f} "
        f"requests/s, a run for each; Taxiway reaches {reached(scenario):.2f} of that."
    )
    if any(one["name"] == OURS[1] for one in scenario["participants"]):
        sentences[-1] += f" With batching auto, which shares runs, it reaches {reached(scenario, names=OURS):.2f}."
    sentences.append(
        f"With {ours[0]['connections']} connection, p50 without the engine's time is {added(scenario):.2f} times that "
        "of a request that runs no model."
    )
    if BARE in scenario["floors"]:
        sentences.append(
            f"Held to a request without a model that brings no bytes either, the two are {reached(scenario, BARE):.2f} "
            f"and {added(scenario, BARE):.2f}."
        )
    return sentences


def bare(scenario: Mapping[str, Any]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The loads of our own server without a model: the name in samples.json, what the report calls it, the loads."""
    floors = scenario["floors"]
    return [(*names, floors[key]) for key, names in FLOORS.items() if key in floors]


def allowed(scenario: Mapping[str, Any], floor: str = "transport") -> float:
    """Requests a second that the engine's and a transport floor's time allow together, at the most connections."""
    transport = float(scenario["floors"][floor][-1]["requests_per_second"])
    return 1e6 / (float(scenario["floors"]["engine"]["us_p50"]) + 1e6 / transport)


def reached(scenario: Mapping[str, Any], floor: str = "transport", names: Sequence[str] = OURS[:1]) -> float:
    """Which part of that Taxiway reaches; the faster of our servers with these names.

    A server that gathers requests shares a run among several, so it may reach more than all.
    """
    ours = [one for one in scenario["participants"] if one["name"] in names]
    return max(_rate(one["loads"][-1]) for one in ours) / allowed(scenario, floor)


def added(scenario: Mapping[str, Any], floor: str = "transport") -> float:
    """p50 with the fewest connections, less the engine's time, in p50s of a request that runs no model."""
    ours, transport = scenario["participants"][0]["loads"][0], scenario["floors"][floor][0]
    return (float(ours["p50_us"]) - float(scenario["floors"]["engine"]["us_p50"])) / float(transport["p50_us"])


def summary(document: Mapping[str, Any]) -> list[str]:
    """A compact table: of each scenario our requests a second, and how many times as many they are as the others'."""
    lines = ["| | requests/s | p99 | times as many as |", "|---|--:|--:|---|"]
    for scenario in document["scenarios"]:
        ours = [one for one in scenario["participants"] if one["name"] in OURS]
        others = [one for one in scenario["participants"] if one not in ours]
        loads = [(one["title"], load) for one in ours for load in one["loads"]]
        setting, best = max(loads, key=lambda of: _rate(of[1]))
        ratios = [
            f"{one['title'].removeprefix('TensorFlow, ')} {_rate(best) / max(map(_rate, one['loads'])):.1f}"
            for one in others
        ]
        what = ", ".join([scenario["title"], *setting.split(", ")[1:]])
        lines.append(
            f"| {what}, {best['connections']} connections | {_rate(best):,.0f} | "
            f"{best['p99_us'] / 1000:.1f} ms | {', '.join(ratios)} |"
        )
    return lines


def _rate(entry: Mapping[str, Any]) -> float:
    return float(entry["requests_per_second"])


def picture(scenario: dict[str, Any]) -> str:
    """Requests a second at the largest concurrency, as bars."""
    rows = []
    ours = max((one["loads"][-1] for one in scenario["participants"] if one["name"] in OURS), key=_rate)
    for participant in scenario["participants"]:
        entry = participant["loads"][-1]
        is_ours = participant["name"] in OURS
        ratio = "" if is_ours else f"  (÷ {ours['requests_per_second'] / entry['requests_per_second']:.1f})"
        text = f"{entry['requests_per_second']:,.0f}{ratio}"
        rows.append(Bar(participant["title"], entry["requests_per_second"], text, "ours" if is_ours else "peer"))
    title = f"Requests a second, {scenario['title']}, {ours['connections']} connections, one core"
    return bars(title, rows)
