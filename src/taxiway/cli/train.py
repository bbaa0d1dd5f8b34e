"""``taxiway train``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.params import job_params, refuse_beside_resume
from taxiway.cli.progress import shown_progress
from taxiway.errors import InvalidArgument


@click.command(epilog="Example: taxiway train examples/digits:job --strategy multi-worker --workers 3 --epochs 5")
@click.argument("job", required=False)
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with this run instead.")
@click.option("--strategy", default="auto", show_default=True, help="auto, mirrored, multi-worker, parameter-server, …")
@click.option("--workers", type=int, default=1, metavar="N", help="How many processes train.")
@click.option("--parameter-servers", type=int, default=0, metavar="N", help="How many processes hold variables.")
@click.option("--devices", default="", metavar="NAME,…", help="Such as GPU:0,GPU:1; all that fit by default.")
@click.option("--epochs", type=int, default=1, show_default=True, help="Passes over the data.")
@click.option("--global-batch", type=int, default=32, show_default=True, help="Rows of a step, over all devices.")
@click.option("--seed", type=int, default=0, show_default=True, help="Orders the data and starts the weights.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the job, as in TOML.")
@click.option("--params", "file", type=click.Path(path_type=Path), help="A TOML file of parameters.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A runtime setting; see taxiway devices.")
@click.option("--profile", metavar="FIRST:LAST", help="Profile these batches of the first epoch, counted from 1.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="The run's own directory; resumed if it is there.")
@click.option("--runs", default="runs", show_default=True, help="Where a new run's directory is made.")
@click.option("--start-seconds", type=float, default=120, show_default=True, help="For processes until they listen.")
@click.option("--max-restarts", type=int, default=3, show_default=True, help="How often processes start again.")
@click.option("--on", default="local", show_default=True, help="Where the processes run: local, or ray.")
@click.option("--ray-address", metavar="ADDRESS", help="HOST:PORT of a Ray cluster, or auto; else one is started.")
@output.json_option
def train(
    *, job: str | None, resume: Path | None, given: tuple[str, ...], file: Path | None, as_json: bool, **options: Any
) -> None:
    """Train JOB (MODULE:ATTRIBUTE, or path/to/folder:module) on one device or many."""
    from taxiway.train import api
    from taxiway.train.cluster import Policy
    from taxiway.train.devices import read_assignments

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if resume is not None:
        refuse_beside_resume("on", "ray_address", "start_seconds", "max_restarts")
    policy = Policy(start_seconds=options.pop("start_seconds"), max_restarts=options.pop("max_restarts"))
    if resume is None and job is None:
        raise InvalidArgument("No job was named.", hint="taxiway train --help")
    with shown_progress() as (say, progress):
        if resume is not None:
            run = api.resume(resume, say, policy, progress, on=options["on"], ray_address=options["ray_address"])
        else:
            options["devices"] = tuple(filter(None, options["devices"].split(",")))
            options["runtime"] = read_assignments(options.pop("settings"))
            options["profile"] = _batches(options["profile"])
            params = job_params(file, given)
            run = api.train(job, params=params, say=say, policy=policy, progress=progress, **options)
    output.print_value(run.as_json(), as_json, _show)


def _show(document: dict[str, Any]) -> None:
    from taxiway.train.history import described

    output.print_line(f"{document['status']} {document['path']}: {described(document['metrics'])}")
    if document["report"]:
        output.print_line(f"report {document['report']}")


def _batches(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        first, last = map(int, text.split(":"))
    except ValueError:
        raise InvalidArgument(f"--profile {text} is not FIRST:LAST.", hint="--profile 10:20") from None
    return first, last
