"""tensorflow_model_server's life on Taxiway's control plane: load, open the ports, follow files, drain."""

from __future__ import annotations

import logging

from taxiway.clock import Clock
from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.journal import MemoryJournal
from taxiway.serve.cloud import Cache, StoreSource, cache_root
from taxiway.serve.daemons import DaemonExecutor
from taxiway.serve.dataplane import DataPlane
from taxiway.serve.loop import Loop, Surroundings
from taxiway.serve.marks import Holding, Marks
from taxiway.serve.source import Poller
from taxiway.serve.tfserving.base_path import BasePath, Patience
from taxiway.serve.tfserving.labelled import LabelledPlane
from taxiway.serve.tfserving.model_config import Logging, ModelEntry
from taxiway.serve.tfserving.options import ServerOptions
from taxiway.serve.tfserving.platform import Platform
from taxiway.serve.tfserving.poll import ConfigPoller
from taxiway.serve.tfserving.reload import Policy, Reloader, did_not_become_available
from taxiway.serve.tfserving.roster import Located, LoopRoster
from taxiway.serve.tfserving.translate import Spec, model_settings, server_settings, spec_by_platform
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.stores import is_cloud
from taxiway.types import JsonObject

__all__ = ["ModelServer"]

log = logging.getLogger(__name__)

# An unload waits for the requests of its version; one that has to wait must not keep another from beginning.
_UNLOAD_THREADS = 8


class ModelServer:
    """A server made from a command line.

    Args:
        options: the command line.
        plane: what answers requests; its ports are opened by :meth:`start`, not before.
        spec: makes the document for one load.
        clock: time.
    """

    def __init__(self, options: ServerOptions, plane: DataPlane, spec: Spec, clock: Clock) -> None:
        self._options = options
        self._plane = LabelledPlane(plane)
        settings = server_settings(options)
        self._loads = DaemonExecutor(settings.load_threads, "taxiway-load")
        self._unloads = DaemonExecutor(_UNLOAD_THREADS, "taxiway-unload")
        cache = Cache(cache_root(settings), clock)
        around = Surroundings(
            self._plane,
            MemoryJournal(),
            self._loads,
            self._unloads,
            spec_by_platform(spec, self._platform_of, self._logging_of),
            clock,
            local=cache.bring,
        )
        self._loop = Loop(around, settings)
        models, behaviour = options.models, options.behaviour
        patience = Patience(None if behaviour.strict else Patience.whole_seconds)
        poll_seconds = models.versions_poll_seconds or 0.0
        self._platforms: dict[str, Platform] = {}
        self._logging: dict[str, Logging | None] = {}
        self._roster = LoopRoster(
            self._loop,
            self._plane,
            lambda entry: _located(entry, patience, settings, cache, clock),
            self._model_settings,
            looks=poll_seconds >= 0,
        )
        policy = Policy(behaviour.strict, models.allow_labels_for_unavailable, behaviour.reload_timeout_seconds)
        self.reloader = Reloader(self._roster, options.platforms, policy)
        self._plane.on_reload(lambda request: self.reloader.handle(request, self._plane.counter))
        self._holding = Holding(self._loop, Marks(clock), cache)
        self._versions_poll = Poller(clock, poll_seconds, self._look) if poll_seconds > 0 else None
        self._config_poll = (
            ConfigPoller(models.config_file, models.config_poll_seconds, self.reloader, clock)
            if models.config_file and models.config_poll_seconds
            else None
        )

    def start(self) -> JsonObject:
        """Load the models and, when each serves or failed for good, open the ports.

        Returns:
            The addresses that were bound, ``{"rest": "host:port" | None, "grpc": …}``.

        Raises:
            TaxiwayError: UNKNOWN when a model failed, unless that is allowed; INVALID_ARGUMENT when a port is taken.
        """
        self._loop.start()
        if self._versions_poll is not None:
            self._versions_poll.start()
        unserved = self.reloader.start(self._options.models.first)
        if unserved:
            text = did_not_become_available("servable(s)", unserved)
            if not self._options.behaviour.start_with_failed_models:
                raise TaxiwayError(text, hint="--start_with_failed_models serves the others")
            log.error("%s", text)
        addresses = self._open()
        if self._config_poll is not None:
            self._config_poll.start()
        return addresses

    def _open(self) -> JsonObject:
        try:
            addresses = self._plane.start()
        except TaxiwayError as error:
            raise InvalidArgument("Failed to BuildAndStart gRPC server", hint=error.message) from error
        listen = self._options.listen
        if addresses["grpc"]:
            log.info("Running gRPC ModelServer at %s ...", addresses["grpc"])
        if addresses["rest"]:
            log.info("Exporting HTTP/REST API at:localhost:%s ...", str(addresses["rest"]).rpartition(":")[2])
        if listen.rest_skipped:
            log.error(
                "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
                "Skipped exporting HTTP/REST API."
            )
        return addresses

    def stop(self) -> bool:
        """Finish requests and end; return whether all were finished in time."""
        for poller in (self._versions_poll, self._config_poll):
            if poller is not None:
                poller.stop()
        self._holding.clear()
        drained = self._plane.stop(self._options.behaviour.drain_seconds)
        self._loop.stop()
        self._loads.shutdown(wait=False, cancel_futures=True)
        self._unloads.shutdown(wait=False, cancel_futures=True)
        return drained

    def _look(self) -> None:
        self._roster.look()
        self._holding.renew()

    def _model_settings(self, entry: ModelEntry) -> ModelSettings:
        platform = self._options.platforms[entry.platform]
        self._platforms[entry.name] = platform
        self._logging[entry.name] = entry.logging
        return model_settings(entry, self._options.platforms)

    def _logging_of(self, name: str) -> Logging | None:
        return self._logging[name]

    def _platform_of(self, name: str) -> Platform:
        return self._platforms[name]


def _located(entry: ModelEntry, patience: Patience, settings: ServerSettings, cache: Cache, clock: Clock) -> Located:
    if is_cloud(entry.base_path):
        return StoreSource(entry.base_path, settings, cache, clock)
    return BasePath(entry.name, entry.base_path, patience, clock)
