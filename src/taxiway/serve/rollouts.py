"""What a server needs of what runs rollouts: :mod:`taxiway.rollout`, handed over where a server is composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from taxiway.clock import Clock
from taxiway.serve.dataplane import DataPlane
from taxiway.serve.loop import Loop
from taxiway.settings import ServerSettings
from taxiway.types import JsonObject

__all__ = ["Replays", "ReplaysOf", "Rollouts", "RolloutsOf"]


class Rollouts(Protocol):
    """Runs the rollouts of one server. Any thread may call any method."""

    def take_up(self) -> None:
        """Have the loop go on with the rollouts that its journal knows, as the first thing when it begins to run.

        Where the server ended in no order while one was in force, that is kept, and nothing was loaded yet when it is.
        """
        ...

    def start(self) -> None:
        """Look at the rollouts under way from now on, until :meth:`stop`."""
        ...

    def stop(self) -> None:
        """End; what serves goes on serving with the last table."""
        ...

    def begin(self, model: str, plan: Mapping[str, object], who: str, wait_seconds: float) -> JsonObject:
        """Begin a rollout, and wait at most so long for its first step; its status.

        Raises:
            InvalidArgument, NotFound, FailedPrecondition: it cannot be done; the hint says what would work.
        """
        ...

    def change(self, model: str, verb: str, who: str, arm: str | None = None) -> JsonObject:
        """``pause``, ``resume``, ``promote`` (of an experiment an ``arm``) or ``abort`` the rollout; its status.

        Raises:
            NotFound, FailedPrecondition: there is none, or not as it stands.
        """
        ...

    def status(self, model: str) -> JsonObject:
        """The model's latest rollout as it stands.

        Raises:
            NotFound: no such model, or it never had one.
        """
        ...


class Replays(Protocol):
    """Asks recorded requests of two versions that are loaded, as a plan demands it: :mod:`taxiway.replay`."""

    def check(self, model: str, requests: int) -> None:
        """Whether so many can be asked; it reads files.

        Raises:
            FailedPrecondition: they cannot; the hint says what would work.
        """
        ...

    def found(self, rollout: str, model: str, versions: tuple[int, int], requests: int, tolerance: float) -> JsonObject:
        """What the replay of a rollout has come to so far; the first call begins it, and none waits.

        ``asked`` of ``requests`` are done. When it is ``done`` with a ``problem``, it could not be; without, it has
        ``agreement``, ``error_rate``, ``slowdown``, ``milliseconds`` (``new``, ``old``) and the ``worst``, as
        :class:`taxiway.rollout.demand.ReplayDemand` puts them. ``versions`` are the new and the old one.
        """
        ...

    def stop(self) -> None:
        """End what is under way."""
        ...


RolloutsOf = Callable[[Loop, DataPlane, Clock, "Replays | None"], Rollouts]
"""Makes what runs the rollouts of a server."""
ReplaysOf = Callable[[ServerSettings, Callable[[], str], Clock], Replays]
"""Makes what replays recorded requests; the second argument gives the address of gRPC once the server has started."""
