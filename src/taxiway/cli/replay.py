"""``taxiway replay``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from taxiway.cli import output

__all__ = ["replay"]


@click.command(epilog="Example: taxiway replay digits --version 8 --against 7")
@click.argument("model")
@click.option("--version", type=int, required=True, metavar="N", help="The version in question.")
@click.option("--against", type=int, metavar="N", help="The version to compare with.  [default: the newest before]")
@click.option("--store", default="models/", show_default=True, metavar="URL", help="Where both versions are.")
@click.option("--recording", metavar="PATH", help="A directory or file of requests.  [default: state/recordings/MODEL]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most how many requests.")
@click.option("--tolerance", type=float, default=1e-3, show_default=True, help="Numbers this close are the same.")
@click.option("--at-least", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit 1 when fewer rows agree.")
@output.json_option
def replay(model: str, version: int, at_least: float | None, as_json: bool, **options: Any) -> int:
    """Ask two versions the requests that a server recorded, and compare.

    Both are loaded in this process, where no user can reach them. With record_rate under [models.MODEL] a server
    records; a warm-up file is a recording too. --at-least looks at rows with the same top class, where answers have
    scores of classes, otherwise at rows that agree within the tolerance; a request that only the new version refuses
    counts as one that does not.
    """
    from taxiway.replay import replay as replay_recording

    found = replay_recording(model, version, **options)
    output.print_value(found.as_json(), as_json, _show)
    for problem in found.unreadable:
        output.print_note(f"not read to its end: {problem}")
    agreed = found.summary.agreed_percent(found.version)
    if at_least is not None and not agreed >= at_least:
        output.print_error(f"{agreed:.2f} % agree, and {at_least:g} % are asked for")
        return 1
    return 0


def _show(found: Mapping[str, Any]) -> None:
    new, old = found["version"], found["against"]
    output.print_line(f"{found['model']}: {found['requests']} requests, {found['rows']} rows, {new} against {old}")
    output.print_line()
    facts = [
        ("rows that agree", _percent(found["agreeing"])),
        ("rows of the same class", _percent(found["same_class"])),
    ]
    largest = "not a number" if found["largest"] is None else f"{found['largest']:.3g}"
    facts.append(("largest difference", f"{largest} in {found['output']}" if found["output"] else largest))
    output.print_table(["", ""], facts)
    output.print_line()
    output.print_table(
        ["VERSION", "P50 MS", "P95 MS", "P99 MS", "REFUSED", "ONLY IT"],
        [
            (version, *(_ms(found["milliseconds"][version], name) for name in ("p50", "p95", "p99")),
             sum(found["errors"][version].values()), found["only"][version])
            for version in (new, old)
        ],
        right=["VERSION", "P50 MS", "P95 MS", "P99 MS", "REFUSED", "ONLY IT"],
    )  # fmt: skip
    for version in (new, old):
        for reason, count in found["errors"][version].items():
            output.print_line(f"version {version} refused {count}: {reason}")
    if found["worst"]:
        output.print_line()
        rows = [(one["request"], one["what"], one.get("output"), _figure(one.get("largest"))) for one in found["worst"]]
        output.print_table(["REQUEST", "DIFFERS IN", "OUTPUT", "BY"], rows)


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def _ms(percentiles: dict[str, float], name: str) -> str:
    return f"{percentiles[name]:.2f}" if name in percentiles else "-"


def _figure(value: Any) -> Any:
    return f"{value:.3g}" if isinstance(value, float) else value
