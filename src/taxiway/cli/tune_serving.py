"""``taxiway tune-serving``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.cli.bench import load_data, numbers
from taxiway.cli.store import store_option

if TYPE_CHECKING:
    from taxiway.tune_serving import Trial, TunedServing

__all__ = ["seconds", "tune_serving"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(_: click.Context, option: click.Parameter, text: str) -> float:
    """The seconds of ``10ms``, ``90s`` or ``5m``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration such as 10ms, 90s or 5m", param=option)
    return float(found[1]) * _UNITS[found[2]]


@click.command(
    "tune-serving", epilog="Example: taxiway tune-serving digits --data rows.npz --latency 5ms --write taxiway.toml"
)
@click.argument("model", metavar="PATH|MODEL[:VERSION]")
@store_option
@click.option("--data", metavar="FILE", help="Rows (.npz, .npy, .csv, JSON) or recorded requests; made up otherwise.")
@click.option("--rows", type=int, default=1, show_default=True, metavar="N", help="Rows of a request.")
@click.option("--signature", metavar="NAME", help="Which signature to ask; serving_default otherwise.")
@click.option(
    "--latency", "latency", default="10ms", show_default=True, callback=seconds, metavar="TIME",
    help="What answers must be within.",
)  # fmt: skip
@click.option("--percentile", type=float, default=95.0, show_default=True, metavar="P", help="So many percent of them.")
@click.option(
    "--concurrency", default="1,8,32", show_default=True, callback=numbers, metavar="N,…",
    help="Connections that ask at once, a window each.",
)  # fmt: skip
@click.option(
    "--engine", "engines", type=click.Choice(["tensorflow", "litert"]), multiple=True,
    default=("tensorflow", "litert"), help="Try this one; may be repeated.  [default: both]",
)  # fmt: skip
@click.option("--protocol", type=click.Choice(["grpc", "rest"]), default="grpc", show_default=True, help="How to ask.")
@click.option(
    "--budget", "budget_seconds", default="5m", show_default=True, callback=seconds, metavar="TIME",
    help="How long the search may take.",
)  # fmt: skip
@click.option("--write", metavar="FILE", help="A taxiway.toml that gets the best settings; the rest of it stays.")
@output.json_option
def tune_serving(model: str, *, data: str | None, latency: float, as_json: bool, **options: Any) -> int:
    """Find the engine, batching and threads with which this machine serves a model best.

    Each combination is a real server on this machine under load; the highest throughput within the latency is best, and
    of those that differ by less than the noise the simplest. Exits with 1 when nothing is within the latency.
    """
    from taxiway.tune_serving.api import tune_serving as search

    found = search(model, load_data(data), say=output.print_note, latency_ms=latency * 1000, **options)
    output.print_value(found.as_json(), as_json, lambda _: _show(found))
    if found.interrupted:
        return output.INTERRUPTED
    if found.best is None:
        allowed = f"{found.target.milliseconds:g} ms for {found.target.percent:g} %"
        output.print_error(f"{found.model}, {allowed}: {found.choice.because}", "Allow a longer --latency.")
        return 1
    return 0


def _show(found: TunedServing) -> None:
    output.print_line(f"{found.model} version {found.version}: {found.requests}")
    output.print_line()
    latency = f"P{found.target.percent:g} MS"
    columns = ["", "ENGINE", "BATCHING", "THREADS", "CONNECTIONS", "ANSWERS/S", latency, "NOTE"]
    ranked = sorted(found.trials, key=lambda one: (one.stage != "final", -one.score(found.target)))
    output.print_table(columns, [_row(one, found) for one in ranked], right=["CONNECTIONS", "ANSWERS/S", latency])
    output.print_line()
    for note in found.notes:
        output.print_line(f"- {note}")
    best = found.choice.best
    if best is None:
        return
    gain = "" if found.gain is None or found.choice.best is found.trials[0] else f", {found.gain:.2f} × the plain ones"
    output.print_line(f"best: {best.candidate.title}{gain}; {found.choice.because}")
    if found.written is not None:
        output.print_line(f"written to {found.written}")
    else:
        for line in _settings(found):
            output.print_line(f"  {line}")


def _row(trial: Trial, found: TunedServing) -> tuple[Any, ...]:
    one, best, target = trial.candidate, trial.best(found.target), found.target
    latency = target.of(best) if best is not None else None
    if trial.problem is not None:
        note = trial.problem
    elif best is not None and not target.reached(best):
        note = "too slow" if not best.failures else f"{best.failed:,} errors"
    else:
        note = f"{len(trial.rounds)} rounds" if trial.stage == "final" else ""
    # What is too slow has no score, and is shown with what it did.
    rate = trial.score(target) or (best.throughput if best is not None else 0.0)
    return (
        "best" if trial is found.choice.best else "", one.engine, one.batching_text, one.threads_text,
        best.concurrency if best is not None else None, f"{rate:,.0f}" if trial.rounds else None,
        "-" if latency is None else f"{latency:.2f}", note,
    )  # fmt: skip


def _settings(found: TunedServing) -> list[str]:
    from taxiway.settings.write import changed

    if found.best is None:
        return []
    text = changed("", ("server",), found.best.server()) if found.best.server() else ""
    return changed(text, ("models", found.model), found.model_settings).splitlines()
