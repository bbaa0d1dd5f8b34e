"""``taxiway serve``."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from taxiway import __version__
from taxiway.cli import output
from taxiway.errors import TaxiwayError
from taxiway.serve.ending import Ending

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle
    from taxiway.serve.watching import Place, Watched
    from taxiway.settings import Settings
    from taxiway.types import JsonObject

__all__ = ["serve"]

# How long the ports may wait for models before the admin API is opened all the same.
_MODELS_FIRST_SECONDS = 1.5


@click.command(context_settings={"show_default": True}, epilog="Example: taxiway serve models/")
@click.argument("paths", nargs=-1, metavar="PATH… | NAME=PATH…")
@click.option("--host", metavar="ADDRESS", help="Listen on this address; 0.0.0.0 is every one.  [default: 127.0.0.1]")
@click.option("--rest-port", type=int, metavar="PORT", help="REST; 0 lets the system choose.  [default: 8501]")
@click.option("--grpc-port", type=int, metavar="PORT", help="gRPC; 0 lets the system choose.  [default: 8500]")
@click.option("--admin-port", type=int, metavar="PORT", help="Admin API.  [default: the next after REST's]")
@click.option("--config", metavar="FILE", help="A taxiway.toml.")
@click.option("--state", metavar="DIRECTORY|URL", help="The server's own state.  [default: state/]")
@click.option("--engine", type=click.Choice(["auto", "tensorflow", "litert"]), help="What runs the models.")
@click.option("--batching", type=click.Choice(["off", "auto"]), help="Whether requests share runs where that pays.")
def serve(paths: Sequence[str], config: str | None, **options: Any) -> int:
    """Serve models over REST and gRPC.

    PATH is a directory of models, or one model (a directory with versions 1/, 2/, …); an s3:// or gs:// URL likewise. A
    new version takes over by itself when its files are whole; the one before goes on serving until then.
    """
    with Ending(second_ends=True) as stop:
        code = _serve(stop, *_read(paths, config, {k: v for k, v in options.items() if v is not None}))
    from taxiway.serve.daemons import ended

    return ended(code)


def _serve(stop: Ending, settings: Settings, watched: Watched) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    from taxiway.replay.live import LiveReplays
    from taxiway.rollout.controller import attach
    from taxiway.serve.api import start

    with start(settings, watched, rollouts=attach, replays=LiveReplays) as handle:
        _tell_ports(handle)
        handle.wait_settled(_MODELS_FIRST_SECONDS)
        _start_admin(handle)
        while not stop.is_set() and not handle.wait_settled(0.2):
            pass
        if not stop.is_set():
            _tell_models(handle)
        stop.wait()
        output.print_note("stopping: finishing the requests under way")
        drained = stop.run(handle.stop)
    output.print_note("stopped" if drained else "stopped; some requests took too long and were cut off")
    return 0


def _read(paths: Sequence[str], config: str | None, options: dict[str, Any]) -> tuple[Settings, Watched]:
    from taxiway.serve.watching import Watched, sort_paths
    from taxiway.settings import ServerSettings, read_settings

    of_models: dict[str, Any] = {name: options.pop(name) for name in ("engine", "batching") if name in options}
    settings = read_settings(config, server=options, defaults=of_models)
    if not paths and not settings.models:
        raise click.UsageError("say what to serve: a PATH, NAME=PATH, or --config with [models.NAME]")
    models: dict[str, Place] = {}
    roots: list[Place] = []
    for path in paths:
        name, equals, place = path.partition("=")
        sorted_one = sort_paths({name: place} if equals and "/" not in name else path)
        models.update(sorted_one.models)
        roots += sorted_one.roots
    ports = settings.server
    # Two servers on one machine need not be told three ports each: the admin API stands beside REST.
    if ports.admin_port == ServerSettings.admin_port and ports.rest_port != ServerSettings.rest_port:
        beside = ports.rest_port + (2 if ports.grpc_port == ports.rest_port + 1 else 1)
        admin = beside if 1 < beside <= 65535 else 0
        settings = dataclasses.replace(settings, server=dataclasses.replace(ports, admin_port=admin))
    return settings, Watched(models, tuple(roots))


def _tell_ports(handle: ServeHandle) -> None:
    output.print_line(f"taxiway {__version__}")
    for title, url in (("REST", handle.url), ("gRPC", handle.grpc_url)):
        output.print_line(f"  {title:<7}{url or 'off'}")
    sys.stdout.flush()


def _start_admin(handle: ServeHandle) -> None:
    try:
        output.print_line(f"  {'admin':<7}{handle.start_admin() or 'off'}")
    except TaxiwayError as error:
        # What serves must not end for the lack of a port that no client uses.
        output.print_note(f"warning: {error.message}; there is no admin API ({error.hint})")
    sys.stdout.flush()


def _tell_models(handle: ServeHandle) -> None:
    models = handle.status()
    for model in models:
        output.print_line(f"  {model['name']}: {_serving(model)}")
    if not models:
        output.print_line("  no models yet: they are served as they come")
    first = next((model["name"] for model in models if model["ready"]), None)
    if first and handle.url:
        output.print_line(f"\ncurl {handle.url}/v1/models/{first}/metadata")
    sys.stdout.flush()


def _serving(model: JsonObject) -> str:
    if not model["ready"]:
        return f"not serving ({model['reason']})"
    current = next(one for one in model["versions"] if one["default"])
    times = f"loaded in {current['load_ms']:.0f} ms" if current["load_ms"] is not None else "loaded"
    warm = f", {current['warm_up_requests']} warm-up requests" if current["warm_up_requests"] else ""
    return f"version {current['version']} ({current['engine']}, {times}{warm})"
