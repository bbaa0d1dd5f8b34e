"""What a server needs of what runs rollouts: :mod:`taxiway.rollout`, handed over where a server is composed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from taxiway.clock import Clock, repeated
from taxiway.serve.dataplane import DataPlane
from taxiway.serve.loop import Loop
from taxiway.settings import ServerSettings
from taxiway.types import JsonObject

__all__ = ["Replays", "ReplaysOf", "RolloutCommands", "Rollouts", "RolloutsOf"]


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


class RolloutCommands:
    """What people do with the rollouts of a server of this process; :mod:`taxiway.rollout` has the same for any server.

    Each returns the rollout's status as ``/api/v1/models/MODEL/rollout`` has it.
    """

    def __init__(self, rollouts: Rollouts, clock: Clock) -> None:
        self._rollouts, self._clock = rollouts, clock

    def start(
        self, model: str, to: int | None = None, *, who: str = "python", wait_seconds: float = 30.0, **plan: object
    ) -> JsonObject:
        """Begin a rollout of version ``to``, the newest when None; ``plan`` has the keys of a plan's file.

        Returns:
            Its status, once it is at its first step or the time is over.

        Raises:
            InvalidArgument, NotFound, FailedPrecondition: it cannot work, or the new version was refused; the hint says
                what would work.
        """
        given = plan if to is None else {"to": to, **plan}
        return self._rollouts.begin(model, given, who, wait_seconds)

    __call__ = start

    def status(self, model: str) -> JsonObject:
        """How far the latest rollout has come.

        Raises:
            NotFound: no such model, or it never had one.
        """
        return self._rollouts.status(model)

    def watch(self, model: str, *, every_seconds: float = 1.0) -> Iterator[JsonObject]:
        """The status again and again, up to the one that says that the rollout is over or live."""
        return repeated(
            lambda: self.status(model),
            lambda found: bool(found["over"] or found["state"] == "live"),
            self._clock,
            every_seconds,
        )

    def pause(self, model: str, *, who: str = "python") -> JsonObject:
        """Keep the shares as they are until it is resumed. Harm still ends it."""
        return self._rollouts.change(model, "pause", who)

    def resume(self, model: str, *, who: str = "python") -> JsonObject:
        """Go on with a paused rollout."""
        return self._rollouts.change(model, "resume", who)

    def promote(self, model: str, arm: str | None = None, *, who: str = "python") -> JsonObject:
        """Let the new version, or of an experiment an ``arm``, answer all requests, without waiting for evidence."""
        return self._rollouts.change(model, "promote", who, arm)

    def abort(self, model: str, *, who: str = "python") -> JsonObject:
        """Put the old version back and hold the new one."""
        return self._rollouts.change(model, "abort", who)


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
