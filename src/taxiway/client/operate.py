"""What operators do with a running server, as functions: the same as the commands of these names.

Each takes ``server``, the server's admin or REST address (None: ``TAXIWAY_SERVER``, or this machine's), and ``token``
(None: ``TAXIWAY_TOKEN``), and raises Unavailable when no admin API answers there, else what the server refuses with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from taxiway.client.address import DEFAULT_SERVER
from taxiway.client.admin import Admin
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway.client.feedback import Label

__all__ = ["feedback", "history", "hold", "release", "rollback", "status"]


def status(model: str | None = None, *, server: str | None = None, token: str | None = None) -> list[JsonObject]:
    """Every model (or one) with its versions, as ``/api/v1/status`` has them.

    Raises:
        NotFound: no such model.
    """
    admin = Admin(server, token=token)
    found = admin.get("status")["models"] if model is None else [admin.get(f"models/{quote(model, safe='')}")]
    return list(found)


def rollback(
    model: str,
    to: int | None = None,
    *,
    server: str | None = None,
    token: str | None = None,
    who: str | None = None,
    wait_seconds: float = 60.0,
) -> JsonObject:
    """Put an earlier version back, and hold the one it goes back from; a rollout under way ends.

    Args:
        model: its name.
        to: the version; the one that a rollout began from, or the newest earlier one, when None.
        server, token: see the module.
        who: who asks, for the history; the user of this process when None.
        wait_seconds: how long to wait when it must be loaded first.

    Returns:
        ``{"model", "from", "to", "done", "event"}``; not ``done`` when it is still loading.

    Raises:
        NotFound, FailedPrecondition: no such model, or no version to go back to. Nothing was changed.
        Unavailable: the version failed to load; the one before goes on serving.
    """
    done: JsonObject = Admin(server, token=token).change(model, "rollback", to=to, wait_seconds=wait_seconds, who=who)
    return done


def hold(
    model: str, version: int, *, server: str | None = None, token: str | None = None, who: str | None = None
) -> JsonObject:
    """Keep a version from being chosen until it is released; ``{"model", "version", "held", "event"}``."""
    done: JsonObject = Admin(server, token=token).change(model, "hold", version=version, who=who)
    return done


def release(
    model: str,
    version: int | None = None,
    *,
    server: str | None = None,
    token: str | None = None,
    who: str | None = None,
) -> JsonObject:
    """Let a held version be chosen again; when None all, and the newest answers. As :func:`hold` returns it."""
    done: JsonObject = Admin(server, token=token).change(model, "release", version=version, who=who)
    return done


def history(
    model: str | None = None, *, limit: int = 20, server: str | None = None, token: str | None = None
) -> list[JsonObject]:
    """The newest changes, newest first: ``{"id", "at", "who", "kind", "model", "data"}``."""
    return list(Admin(server, token=token).get("history", limit=limit, model=model)["events"])


def feedback(
    model: str,
    request_id: str,
    *,
    label: Label | Sequence[Label] | None = None,
    value: float | None = None,
    correct: bool | None = None,
    server: str | None = None,
) -> bool:
    """Say what became of one answer; see :meth:`taxiway.Client.feedback`, which keeps its connection for the next.

    ``server`` is a serving address here, ``http://…`` or ``grpc://…``.
    """
    import os

    from taxiway.client.client import Client

    with Client(server or os.environ.get("TAXIWAY_SERVER") or DEFAULT_SERVER) as client:
        return client.feedback(model, request_id, label=label, value=value, correct=correct)
