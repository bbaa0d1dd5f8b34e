"""``taxiway tune``: find good parameters of a job, and look at what was tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.params import job_params, refuse_beside_resume
from taxiway.errors import InvalidArgument


class _Tune(click.Group):
    """A group whose first argument may be left out: what is no command of it is the job of ``start``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["start", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        inner = self.commands["start"]
        context = click.Context(inner, info_name="start", parent=ctx)
        options = [one for one in inner.params if isinstance(one, click.Option)]
        records = [found for one in options if (found := one.get_help_record(context)) is not None]
        with formatter.section("Options of start"):
            formatter.write_dl(records)


@click.group(
    cls=_Tune,
    subcommand_metavar="JOB | COMMAND [ARGS]...",
    epilog="Example: taxiway tune examples/digits:job --space examples/digits/space.toml --trials 20",
)
def tune() -> None:
    """Find good parameters of a job: taxiway tune JOB is short for taxiway tune start JOB."""


@tune.command(epilog="Example: taxiway tune examples/digits:job --space examples/digits/space.toml --parallel 2")
@click.argument("job", required=False)
@click.option("--space", type=click.Path(path_type=Path), metavar="FILE", help="What is searched: a TOML file.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="STUDY", help="Go on with this study instead.")
@click.option("--goal", metavar="DIRECTION:METRIC", help="Such as maximize:val_accuracy; else the file's.")
@click.option("--trials", type=int, metavar="N", help="How many trials finish; else the file's, or 20.")
@click.option("--seconds", type=float, metavar="S", help="No new trial after so long.")
@click.option("--max-failed", type=int, metavar="N", help="How many may fail; else the file's, or 5.")
@click.option("--parallel", type=int, default=1, show_default=True, help="How many trials are trained at a time.")
@click.option("--algorithm", metavar="NAME", help="tpe, grid or random; else the file's, or tpe.")
@click.option("--early-stopping", metavar="NAME", help="none, median or hyperband; else the file's, or none.")
@click.option("--strategy", default="auto", show_default=True, help="Of each trial: auto, one-device, mirrored, …")
@click.option("--devices", default="", metavar="NAME,…", help="Such as GPU:0,GPU:1; all that fit by default.")
@click.option("--epochs", type=int, default=1, show_default=True, help="Passes over the data, of each trial.")
@click.option("--global-batch", type=int, default=32, show_default=True, help="Rows of a step, over all devices.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the search, and of the trials.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of every trial.")
@click.option("--params", "file", type=click.Path(path_type=Path), help="A TOML file of such parameters.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A runtime setting; see taxiway devices.")
@click.option("--keep-models", type=int, metavar="N", help="How many trials keep their model: the best; 1.")
@click.option("--heartbeat-seconds", type=int, metavar="S", help="How often a trial says that it is alive; 10.")
@click.option("--study-dir", type=click.Path(path_type=Path), help="The study's own directory; resumed if it is there.")
@click.option("--studies", default="studies", show_default=True, help="Where a new study's directory is made.")
@click.option("--on", default="local", show_default=True, help="Where the processes run: local, or ray.")
@click.option("--ray-address", metavar="ADDRESS", help="HOST:PORT of a Ray cluster, or auto; else one is started.")
@output.json_option
def start(
    *, job: str | None, space: Path | None, resume: Path | None, parallel: int, as_json: bool, **options: Any
) -> None:
    """Begin a study of JOB.

    JOB is MODULE:ATTRIBUTE, or path/to/folder:module, and is trained again and again.
    """
    from taxiway.train.devices import read_assignments
    from taxiway.tune import api

    file, given, settings = options.pop("file"), options.pop("given"), options.pop("settings")
    if resume is not None:
        refuse_beside_resume("on", "ray_address", "parallel")
        study = api.resume(
            resume, parallel=parallel, on=options["on"], ray_address=options["ray_address"], say=output.print_note
        )
    elif job is None or space is None:
        raise InvalidArgument(f"No {'job' if job is None else 'space'} was named.", hint="taxiway tune start --help")
    else:
        devices = tuple(filter(None, options.pop("devices").split(",")))
        study = api.tune(
            job, space, parallel=parallel, params=job_params(file, given), devices=devices,
            runtime=read_assignments(settings), say=output.print_note, **options,
        )  # fmt: skip
    output.print_value(study.as_json(), as_json, _show_end)


_studies_option = click.option(
    "--studies", "place", default="studies", show_default=True, help="Where the studies are."
)


@tune.command(epilog="Example: taxiway tune show studies/2026-11-21T10-00-00-digits")
@click.argument("study")
@_studies_option
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw them into the study.")
@output.json_option
def show(study: str, place: str, pictures: bool, as_json: bool) -> None:
    """Show a STUDY: its trials, best first, which parameters matter, and pictures of both."""
    from taxiway.tune.pictures import draw
    from taxiway.tune.report import report
    from taxiway.tune.study import open_study

    found = open_study(study, place)
    document = report(found)
    document["pictures"] = [str(path) for path in draw(found, document["importance"])] if pictures else []
    output.print_value(document, as_json, _show)


@tune.command("list", epilog="Example: taxiway tune list")
@_studies_option
@output.json_option
def list_command(place: str, as_json: bool) -> None:
    """List the studies, newest first."""
    from taxiway.tune.study import list_studies

    output.print_value([one.as_json() for one in list_studies(place)], as_json, _table)


def _show_end(document: dict[str, Any]) -> None:
    best = document["best"]
    output.print_line(f"{document['status']} {document['path']}: {document['finished']} of {document['trials']} trials")
    if best is not None:
        value = f"{document['metric']} {best['value']:.4g}"
        output.print_line(f"best: trial {best['number']}, {value}, {_params(best['params'])}, in {best['run']}")


def _show(document: dict[str, Any]) -> None:
    _show_end(document)
    output.print_line()
    output.print_table(
        ["TRIAL", "STATE", document["metric"].upper(), "EPOCHS", "SECONDS", "PARAMETERS"],
        [
            (
                one["number"], one["state"], _text(one["value"]), len(one["epochs"]) or None, _text(one["seconds"]),
                one["error"] or _params(one["params"]),
            )
            for one in document["all"]
        ],
        right=["TRIAL", document["metric"].upper(), "EPOCHS", "SECONDS"],
    )  # fmt: skip
    if document["importance"]:
        output.print_line()
        rows = [(name, f"{part:.0%}") for name, part in document["importance"].items()]
        output.print_table(["PARAMETER", "IMPORTANCE"], rows, right=["IMPORTANCE"])
    for path in document["pictures"]:
        output.print_line(f"picture: {path}")


def _table(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ["STUDY", "STATUS", "TRIALS", "METRIC", "BEST"],
        [
            (
                one["id"], one["status"], f"{one['finished']}/{one['trials']}", one["metric"],
                _text(one["best"]["value"]) if one["best"] else None,
            )
            for one in rows
        ],
        right=["TRIALS", "BEST"],
    )  # fmt: skip


def _params(params: dict[str, Any]) -> str:
    return " ".join(f"{name}={_text(value)}" for name, value in params.items())


def _text(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value
