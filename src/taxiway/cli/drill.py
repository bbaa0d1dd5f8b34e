"""``taxiway drill``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.rollout import plan_options

__all__ = ["drill"]

# What is the drill's own; every other option is a key of the plan.
_OWN = ("store", "version", "recording", "requests_per_second", "max_seconds", "seed")


@click.command(epilog="Example: taxiway drill digits --fault errors=5%")
@click.argument("model")
@click.option("--fault", "faults", multiple=True, required=True, metavar="NAME=PERCENT", help="What goes wrong; below.")
@click.option("--store", default="models/", show_default=True, metavar="URL", help="Where the model is.")
@click.option("--version", type=int, metavar="N", help="The version to rehearse with.  [default: the newest]")
@click.option("--recording", metavar="PATH", help="Requests to ask.  [default: the version's warm-up requests]")
@click.option("--rate", "requests_per_second", type=float, default=400.0, show_default=True, help="Requests a second.")
@click.option("--max-seconds", type=float, default=120.0, show_default=True, help="When the drill is over at last.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what goes wrong when.")
@click.option("--plan", "file", metavar="FILE", help="A plan as TOML; what is said beside it counts more.")
@click.option("--guard", "guards", multiple=True, metavar="NAME[=xRATIO,POINTSpt]", help="What must not get worse.")
@plan_options
@output.json_option
def drill(
    model: str, *, faults: tuple[str, ...], file: str | None, guards: tuple[str, ...], as_json: bool, **given: Any
) -> int:
    """Rehearse: roll a version of MODEL out against itself, made bad, and see how soon it is noticed.

    Nothing of it reaches a user: the command serves the version twice in its own process and asks recorded requests.
    --fault errors=5% fails one answer in twenty, slow=20%:100ms makes one in five take 100 ms longer, wrong=10% answers
    one in ten wrongly; they can be combined. Steps, guards and durations are those of taxiway rollout start, by default
    steps 10,50 of 5 s with the guards errors and p95. Exit code 1 when nothing was noticed.
    """
    from taxiway.drill import drill as rehearse
    from taxiway.drill import parse_faults
    from taxiway.rollout.parse import over
    from taxiway.rollout.read import read_values

    own = {
        name: given.pop(name)
        for name in ("store", "version", "recording", "requests_per_second", "max_seconds", "seed")
    }
    plan = dict(read_values(file)) if file is not None else {}
    plan = {name: value for name, value in plan.items() if name not in ("model", "to")}
    plan = over(plan, {name: value for name, value in given.items() if value is not None})
    plan |= {"guards": list(guards)} if guards else {}
    found = rehearse(model, parse_faults(faults), plan=plan, **own)
    output.print_value(found.as_json(), as_json, _show)
    return 0 if found.noticed else 1


def _show(found: Mapping[str, Any]) -> None:
    affected, requests = found["affected"], found["requests"]
    output.print_line(f"{found['model']} version {found['version']}: {found['state']}")
    rows = [
        ("noticed", f"after {found['seconds']:.1f} s" if found["seconds"] is not None else "no"),
        ("by", found["because"] or found["rule"]),
        ("answered by the bad version", requests.get(2, 0)),
        ("answered by the sound one", requests.get(1, 0)),
        ("requests affected", f"{affected['all']} ({_parts(affected)})"),
        ("at most, said the plan", found["promised"]),
    ]
    output.print_table(["", ""], rows)


def _parts(affected: dict[str, int]) -> str:
    return ", ".join(f"{affected[name]} {name}" for name in ("errors", "wrong", "slow"))
