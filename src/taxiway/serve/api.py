"""Serving from Python: :func:`serve`, and the handle it returns."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from taxiway.clock import Clock, SystemClock
from taxiway.errors import DeadlineExceeded, Unimplemented
from taxiway.journal import Journal, MemoryJournal
from taxiway.serve.cloud import Cache, cache_root
from taxiway.serve.daemons import DaemonExecutor
from taxiway.serve.dataplane import DataPlane
from taxiway.serve.following import FOLLOW_SECONDS, Following
from taxiway.serve.loop import Loop, Surroundings
from taxiway.serve.marks import Holding, Marks
from taxiway.serve.operate import Operator
from taxiway.serve.rollouts import ReplaysOf, RolloutCommands, Rollouts, RolloutsOf
from taxiway.serve.source import Poller
from taxiway.serve.watching import Watched, Watching, sort_paths
from taxiway.settings import Settings, in_database, read_settings
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway.serve.admin import AdminServer

__all__ = ["Paths", "ServeHandle", "Watched", "open_journal", "serve", "sort_paths", "start"]

_REACHABLE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}

PathLike = str | os.PathLike[str]
Paths = PathLike | Mapping[str, PathLike]


def open_journal(state: str) -> Journal:
    """The journal in a state directory or a PostgreSQL database; one in memory when ``state`` is empty.

    Raises:
        FailedPrecondition: a newer Taxiway wrote it, or the database's client is not installed.
        InvalidArgument: the database's URL is wrong.
        Unavailable: it cannot be opened.
    """
    if not state:
        return MemoryJournal()
    if in_database(state):
        from taxiway.journal.postgres import PostgresJournal

        return PostgresJournal(state)
    from taxiway.journal.sqlite import SqliteJournal

    return SqliteJournal(Path(state) / "journal.db")


class ServeHandle:
    """A running server. Made by :func:`serve`; leaving its ``with`` block stops it."""

    def __init__(
        self,
        settings: Settings,
        watched: Watched,
        plane: DataPlane,
        clock: Clock | None = None,
        rollouts: RolloutsOf | None = None,
        *,
        replays: ReplaysOf | None = None,
    ) -> None:
        from taxiway.serve.server import load_spec

        self.settings = settings
        self._watched = watched
        self._plane = plane
        self._clock = clock or SystemClock()
        self._journal = open_journal(settings.server.state)
        self._loads = DaemonExecutor(settings.server.load_threads, "taxiway-load")
        # Unloads wait for requests. One that has to wait must not keep another from beginning.
        self._unloads = DaemonExecutor(8, "taxiway-unload")
        spec = load_spec(settings.server)
        cache = Cache(cache_root(settings.server), self._clock)
        around = Surroundings(plane, self._journal, self._loads, self._unloads, spec, self._clock, local=cache.bring)
        self.loop = Loop(around, settings.server)
        self.operator = Operator(self.loop, self._journal, self._clock)
        self._replays = replays(settings.server, lambda: self.grpc_url, self._clock) if replays is not None else None
        self._rollouts = rollouts(self.loop, plane, self._clock, self._replays) if rollouts is not None else None
        self._holding = Holding(self.loop, Marks(self._clock), cache)
        self._poller = Poller(self._clock, settings.server.poll_seconds, self._look)
        self._following: Poller | None = None
        if in_database(settings.server.state):
            look = Following(self.loop, self._journal, self._clock).look
            self._following = Poller(self._clock, FOLLOW_SECONDS, look)
        self._watching = Watching(settings, watched, cache, self._clock)
        self._addresses: JsonObject = {}
        self._admin: AdminServer | None = None
        self._stopped = threading.Event()

    def _start(self) -> ServeHandle:
        self._addresses = self._plane.start()
        # Looked before the loop runs: its first table would name no model, and a server without models is ready.
        self._look()
        if self._rollouts is not None:
            self._rollouts.take_up()
        self.loop.start()
        self._poller.start()
        if self._following is not None:
            self._following.start()
        if self._rollouts is not None:
            self._rollouts.start()
        return self

    def start_admin(self) -> str | None:
        """Open the admin API, after the serving ports: its libraries take a while to import. Returns its URL."""
        if self.settings.server.admin_port >= 0 and self._admin is None:
            from taxiway.serve.admin import AdminServer

            self._admin = AdminServer(self)
            self._admin.start()
        return self.admin_url

    @property
    def url(self) -> str:
        """Where REST answers, ``http://…``; empty when it is off."""
        return self._address("rest", "http")

    @property
    def grpc_url(self) -> str:
        """Where gRPC answers, ``grpc://…``; empty when it is off."""
        return self._address("grpc", "grpc")

    @property
    def admin_url(self) -> str | None:
        """Where the admin API answers; None while it is off."""
        return self._admin.url if self._admin is not None else None

    def wait_ready(self, timeout_seconds: float | None = 60.0) -> None:
        """Wait until every model serves.

        Raises:
            DeadlineExceeded: it took too long; the message says what is missing.
        """
        if not self.loop.wait_until(
            lambda models: all(m.default is not None for m in models.values()), timeout_seconds
        ):
            missing = [f"{m['name']}: {m['reason']}" for m in self.status() if not m["ready"]]
            raise DeadlineExceeded(
                f"not ready after {timeout_seconds} s: {'; '.join(missing)}", hint="see .status() for each version"
            )

    def wait_settled(self, timeout_seconds: float | None = None) -> bool:
        """Wait until each model serves, or everything it has was tried once; whether it came to that in time."""
        return self.loop.wait_until(
            lambda models: all(m.settled() and not m.copying() for m in models.values()), timeout_seconds
        )

    def wait_default(self, model: str, version: int, timeout_seconds: float = 60.0) -> bool:
        """Wait until ``version`` answers requests for ``model`` that name none; whether it came to that in time."""
        return self.loop.wait_until(
            lambda models: model in models and models[model].default == version, timeout_seconds
        )

    def status(self, model: str | None = None) -> list[JsonObject]:
        """Every model (or one) with its versions; see ``/api/v1/status``."""
        return self.loop.status(model)

    def stats(self) -> JsonObject:
        """Counters and gauges of the data plane."""
        return self._plane.stats()

    def rollback(
        self, model: str, to: int | None = None, *, who: str = "python", wait_seconds: float = 60.0
    ) -> JsonObject:
        """Put an earlier version back; see :meth:`taxiway.serve.operate.Operator.rollback`."""
        return self.operator.rollback(model, to, who, wait_seconds)

    @property
    def rollouts(self) -> Rollouts:
        """What runs the rollouts.

        Raises:
            Unimplemented: nothing does, in this server.
        """
        if self._rollouts is None:
            raise Unimplemented("this server runs no rollouts", hint="begin it with taxiway serve or taxiway.serve")
        return self._rollouts

    @property
    def rollout(self) -> RolloutCommands:
        """``server.rollout.start(…)``, ``.status``, ``.watch``, ``.pause``, ``.resume``, ``.promote``, ``.abort``.

        Raises:
            Unimplemented: nothing runs rollouts in this server.
        """
        return RolloutCommands(self.rollouts, self._clock)

    def hold(self, model: str, version: int, *, who: str = "python") -> JsonObject:
        """Keep a version from being chosen; see :meth:`taxiway.serve.operate.Operator.hold`."""
        return self.operator.hold(model, version, who)

    def release(self, model: str, version: int | None = None, *, who: str = "python") -> JsonObject:
        """Let a held version, or all, be chosen again; see :meth:`taxiway.serve.operate.Operator.release`."""
        return self.operator.release(model, version, who)

    def history(self, model: str | None = None, *, limit: int = 20) -> list[JsonObject]:
        """The newest changes, newest first."""
        return self.operator.history(limit, model)

    def stop(self) -> bool:
        """Finish what is under way and end. Returns whether every request was finished; again, does nothing."""
        if self._stopped.is_set():
            return True
        self._stopped.set()
        self._poller.stop()
        if self._following is not None:
            self._following.stop()
        if self._rollouts is not None:
            self._rollouts.stop()
        if self._replays is not None:
            self._replays.stop()
        self._holding.clear()
        if self._admin is not None:
            self._admin.stop()
        drained = self._plane.stop(self.settings.server.drain_seconds)
        self.loop.stop()
        self._loads.shutdown(wait=False, cancel_futures=True)
        self._unloads.shutdown(wait=False, cancel_futures=True)
        self._journal.close()
        return drained

    def __enter__(self) -> ServeHandle:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _look(self) -> None:
        self._watching.look(self.loop)
        self._holding.renew()

    def _address(self, protocol: str, scheme: str) -> str:
        bound = self._addresses.get(protocol)
        return f"{scheme}://{_reachable(bound)}" if bound else ""


def _reachable(address: str) -> str:
    """An address that can be called on this machine: 0.0.0.0 and [::] only say where to listen."""
    host, _, port = address.rpartition(":")
    return f"{_REACHABLE.get(host, host)}:{port}"


def start(
    settings: Settings,
    watched: Watched,
    plane: DataPlane | None = None,
    rollouts: RolloutsOf | None = None,
    replays: ReplaysOf | None = None,
) -> ServeHandle:
    """Open the ports and begin to load; returns at once. The admin API is not opened yet."""
    if plane is None:
        from taxiway.serve.server import NativeDataPlane

        plane = NativeDataPlane(settings.server)
    handle = ServeHandle(settings, watched, plane, rollouts=rollouts, replays=replays)
    try:
        return handle._start()
    except BaseException:
        handle.stop()
        raise


def serve(
    paths: Paths,
    *,
    rest_port: int = 0,
    grpc_port: int = 0,
    admin_port: int = 0,
    state: str = "",
    wait_seconds: float = 60.0,
    rollouts: RolloutsOf | None = None,
    replays: ReplaysOf | None = None,
    **settings: Any,
) -> ServeHandle:
    """Serve models from this process, until the handle is stopped.

    Args:
        paths: a directory of models, one model's directory, or ``{name: directory}``; ``s3://`` and ``gs://`` URLs
            likewise.
        rest_port, grpc_port, admin_port: 0 lets the system choose, -1 is off.
        state: a directory for the journal, or a ``postgresql://`` URL; empty forgets operators' decisions with the
            process.
        wait_seconds: how long to wait for the models; it is no error when some do not serve by then.
        rollouts: what runs rollouts; ``taxiway.serve`` gives its own, and ``replays`` alike.
        replays: what asks recorded requests of versions where a plan demands it.
        settings: any other setting by its name, a server's or (for every model) a model's.

    Returns:
        A handle whose ports answer; every model serves, or its :meth:`ServeHandle.status` says why not. Used as a
        context manager it stops at the end of the block.

    Raises:
        InvalidArgument: an unknown setting or a wrong value.
        NotFound: no such directory.
        Unavailable: a port is taken, or the database does not answer.
    """
    from taxiway.settings import rows

    ports = {"rest_port": rest_port, "grpc_port": grpc_port, "admin_port": admin_port, "state": state}
    of_models = {name: settings.pop(name) for name in list(settings) if name in rows("defaults")}
    read = read_settings(environ={}, server={**ports, **settings}, defaults=of_models)
    handle = start(read, sort_paths(paths), rollouts=rollouts, replays=replays)
    try:
        handle.start_admin()
        handle.wait_settled(wait_seconds)
    except BaseException:
        handle.stop()
        raise
    return handle
