"""``taxiway rollout``: begin, watch, and have a say in the rollouts of a server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.rollout_view import line_of, show
from taxiway.rollout import commands
from taxiway.types import JsonObject

__all__ = ["rollout"]


_SELDOM = 10


@click.group(epilog="Example: taxiway rollout start digits --to 2 --steps 1,5,10,25,50 --guard errors --guard p95")
def rollout() -> None:
    """Bring a new version to a part of the requests, step by step, and back by itself when it is worse."""


# option: (key of the plan, what it takes, what it says)
_OPTIONS = {
    "--steps": ("steps", "PERCENT,…", "The canary's shares of the requests, growing, up to 50."),
    "--goal": ("goal", "METRIC[:lower]", "What should get better before it is promoted."),
    "--shadow": ("shadow", "PERCENT", "Copy so many requests to it first, and show nobody its answers."),
    "--step-duration": ("step_duration", "DURATION", "How long a step lasts at least.  [default: 10m]"),
    "--step-units": ("step_units", "N", "How many users, or requests, each arm sees at least.  [default: 200]"),
    "--max-duration": ("max_duration", "DURATION", "When a person has to decide.  [default: 2h]"),
    "--at-most-affected": ("at_most_affected", "N", "A budget of badly answered requests, instead of --steps."),
    "--undecided": ("undecided", "hold|ship", "What to do when the time is over.  [default: hold]"),
    "--rollback-window": ("rollback_window", "DURATION", "How long the old version stays loaded.  [default: 24h]"),
    "--measure": ("measure", "DURATION", "How long to measure the traffic first, at most.  [default: 5m]"),
    "--promote": ("promote", "by hand|by itself", "Who promotes an experiment's better arm.  [default: by hand]"),
    "--max-crashes": ("max_crashes", "N", "How often a server may end in no order before it goes back.  [default: 3]"),
    "--key": ("key", "HEADER|input:NAME", "What says whose a request is.  [default: x-routing-key]"),
}


def plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each key of a plan that has one, passed by the key's name; None when it is not given."""
    for flag, (key, metavar, text) in reversed(_OPTIONS.items()):
        function = click.option(flag, key, metavar=metavar, help=text)(function)
    return function


@rollout.command("start", epilog="Example: taxiway rollout start digits --to 2 --at-most-affected 50")
@click.argument("model")
@click.option("--to", type=int, metavar="VERSION", help="The new version.  [default: the newest]")
@click.option("--plan", "file", metavar="FILE", help="A plan as TOML; what is said beside it counts more.")
@click.option(
    "--guard", "guards", multiple=True, metavar="NAME[=xRATIO,POINTSpt,HARM%]", help="What must not get worse."
)
@click.option(
    "--arm", "arms", multiple=True, metavar="NAME=VERSION:PERCENT", help="An experiment: an arm of it, instead of --to."
)
@click.option(
    "--replay",
    is_flag=False,
    flag_value="",
    metavar="[NAME=VALUE,…]",
    help="Refuse a version that recorded requests show wrong.",
)
@plan_options
@output.wait_option(30.0, "How long to wait for the first step.")
@output.server_option
@output.json_option
def start(
    model: str,
    *,
    to: int | None,
    file: str | None,
    guards: tuple[str, ...],
    arms: tuple[str, ...],
    server: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Begin a rollout of MODEL beside the version that answers.

    The new version is loaded, the traffic is measured, and a plan that this traffic does not allow is refused with what
    would work. Then the new version answers a part of the requests that grows step by step, beside an equal part that
    the old one answers for comparison. Evidence of harm puts the old version back and holds the new one; proof that
    there is none promotes it.

    --replay asks both versions recorded requests before any user sees the new one, which is refused when they agree too
    little, it alone refuses too many, or it takes too long: min_agreement=0.98,max_error_rate=0.01,max_slowdown=2,
    requests=200 is what --replay alone means.

    With --arm, several versions are tried at once until --goal tells which is better; see `rollout promote MODEL ARM`.
    """
    plan = {key: value for key, value in given.items() if value is not None}
    plan |= {key: list(texts) for key, texts in (("guards", guards), ("arms", arms)) if texts}
    done = commands.start(model, to, file=file, server=server, **plan)
    output.print_value(done, as_json, show)


@rollout.command("status", epilog="Example: taxiway rollout status digits")
@click.argument("model")
@output.server_option
@output.json_option
def status(model: str, server: str, as_json: bool) -> None:
    """Show how far the rollout of MODEL has come, and why it waits."""
    output.print_value(commands.status(model, server=server), as_json, show)


@rollout.command("watch", epilog="Example: taxiway rollout watch digits")
@click.argument("model")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, metavar="SECONDS", help="How often.  [default: 1]")
@output.server_option
def watch(model: str, every: float, server: str) -> None:
    """Show the rollout of MODEL until it is over: redrawn on a terminal, a line at a time elsewhere."""
    follow(commands.watch(model, every_seconds=every, server=server), redraw=sys.stdout.isatty())


def follow(looks: Iterable[JsonObject], *, redraw: bool) -> None:
    """Print each look at a rollout.

    Without ``redraw``, that is a line for each that found something new, and every tenth: counts always grow.
    """
    before: object = None
    for number, now in enumerate(looks):
        if redraw:
            click.clear()
            show(now)
        elif (found := _found(now)) != before or number % _SELDOM == 0:
            output.print_line(line_of(now))
            sys.stdout.flush()
            before = found


def _found(now: JsonObject) -> object:
    """What a person who reads a log wants to know of at once."""
    rule = now["next"]["rule"] if now["next"] else now["rule"]
    return (now["state"], now["step"], rule, [guard["finding"] for guard in now["guards"]])


@rollout.command("promote", epilog="Example: taxiway rollout promote digits")
@click.argument("model")
@click.argument("arm", required=False)
@output.server_option
@output.json_option
def promote(model: str, arm: str | None, server: str, as_json: bool) -> None:
    """Let the new version of MODEL, or of an experiment ARM, answer all requests, without waiting for evidence."""
    output.print_value(commands.promote(model, arm, server=server), as_json, show)


def _command(does: Callable[..., JsonObject], says: str) -> None:
    verb = does.__name__

    @rollout.command(verb, help=says, epilog=f"Example: taxiway rollout {verb} digits")
    @click.argument("model")
    @output.server_option
    @output.json_option
    def change(model: str, server: str, as_json: bool) -> None:
        output.print_value(does(model, server=server), as_json, show)


_command(commands.pause, "Keep the shares of MODEL's rollout as they are until it is resumed. Harm still ends it.")
_command(commands.resume, "Go on with the paused rollout of MODEL.")
_command(commands.abort, "Put the old version of MODEL back and hold the new one.")
