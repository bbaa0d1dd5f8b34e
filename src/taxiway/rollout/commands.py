"""Rollouts of a running server, as functions: the same as the commands ``taxiway rollout start``, ``status``, ….

Each takes ``server`` and ``token`` as :mod:`taxiway.client.operate` has them, and returns the rollout's status as
``/api/v1/models/MODEL/rollout`` has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

from taxiway.client.admin import Admin
from taxiway.clock import Clock, SystemClock, repeated
from taxiway.errors import FailedPrecondition
from taxiway.types import JsonObject

__all__ = ["abort", "pause", "promote", "resume", "start", "status", "watch"]


def start(
    model: str,
    to: int | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    server: str | None = None,
    token: str | None = None,
    who: str | None = None,
    wait_seconds: float = 30.0,
    **plan: object,
) -> JsonObject:
    """Begin a rollout beside the version that answers.

    Args:
        model: its name.
        to: the new version; the newest when None.
        file: a plan as TOML, of which the other arguments count more.
        server, token: see the module.
        who: who asks, for the history; the user of this process when None.
        wait_seconds: how long to wait for its first step.
        plan: the keys of a plan's file: ``steps=[1, 5, 25]``, ``guards=["errors", "p95"]``, ``replay=True``, ….

    Returns:
        Its status, once it is at its first step or the time is over.

    Raises:
        InvalidArgument, NotFound, FailedPrecondition: it cannot work, or the new version was refused; the hint says
            what would work.
    """
    if file is not None:
        from taxiway.rollout.parse import over

        plan = over(_of_file(file, model), plan)
        of_file = plan.pop("to", None)
        to = of_file if to is None else to  # type: ignore[assignment]
    done: JsonObject = Admin(server, token=token).change(
        model, "rollout", to=to, plan=plan, wait_seconds=wait_seconds, who=who
    )
    return done


def _of_file(file: str | os.PathLike[str], model: str) -> dict[str, object]:
    from taxiway.rollout.read import read_values

    values = dict(read_values(file))
    named = values.pop("model", model)
    if named != model:
        raise FailedPrecondition(
            f"{file} is a plan for {named}, not for {model}", hint=f"taxiway rollout start {named}"
        )
    return values


def status(model: str, *, server: str | None = None, token: str | None = None) -> JsonObject:
    """How far the latest rollout has come, and why it waits.

    Raises:
        NotFound: no such model, or it never had one.
    """
    found: JsonObject = Admin(server, token=token).get(f"models/{quote(model, safe='')}/rollout")
    return found


def watch(
    model: str,
    *,
    every_seconds: float = 1.0,
    server: str | None = None,
    token: str | None = None,
    clock: Clock | None = None,
) -> Iterator[JsonObject]:
    """The status again and again, up to the one that says that the rollout is over or live."""
    return repeated(lambda: status(model, server=server, token=token), ended, clock or SystemClock(), every_seconds)


def ended(found: JsonObject) -> bool:
    """Whether nothing comes any more that one would wait for."""
    return bool(found["over"] or found["state"] == "live")


def pause(model: str, *, server: str | None = None, token: str | None = None, who: str | None = None) -> JsonObject:
    """Keep the shares as they are until it is resumed. Harm still ends it."""
    return _change(Admin(server, token=token), model, "pause", who)


def resume(model: str, *, server: str | None = None, token: str | None = None, who: str | None = None) -> JsonObject:
    """Go on with a paused rollout."""
    return _change(Admin(server, token=token), model, "resume", who)


def promote(
    model: str,
    arm: str | None = None,
    *,
    server: str | None = None,
    token: str | None = None,
    who: str | None = None,
) -> JsonObject:
    """Let the new version, or of an experiment an ``arm``, answer all requests, without waiting for evidence."""
    return _change(Admin(server, token=token), model, "promote", who, arm)


def abort(model: str, *, server: str | None = None, token: str | None = None, who: str | None = None) -> JsonObject:
    """Put the old version back and hold the new one."""
    return _change(Admin(server, token=token), model, "abort", who)


def _change(admin: Admin, model: str, verb: str, who: str | None, arm: str | None = None) -> JsonObject:
    """Do it.

    Raises:
        NotFound, FailedPrecondition: there is no rollout, or not as it stands.
    """
    done: JsonObject = admin.change(model, verb, who=who, arm=arm)
    return done
