"""The rows of the admin API that are about rollouts."""

from __future__ import annotations

from collections.abc import Callable

from taxiway.errors import InvalidArgument
from taxiway.serve.operations import WHO, Call, Operation
from taxiway.types import JsonObject

__all__ = ["ROLLOUT_ROUTES"]


def _begin(call: Call) -> JsonObject:
    plan = call.body.get("plan", {})
    if not isinstance(plan, dict):
        raise InvalidArgument("plan must be an object", hint="with the keys of a plan's file")
    to = call.version("to")
    values = plan if to is None else {**plan, "to": to}
    return call.handle.rollouts.begin(call.model, values, call.who, call.wait_seconds())


def _status(call: Call) -> JsonObject:
    return call.handle.rollouts.status(call.model)


def _change(verb: str) -> Callable[[Call], JsonObject]:
    def change(call: Call) -> JsonObject:
        arm = call.body.get("arm")
        if arm is not None and not isinstance(arm, str):
            raise InvalidArgument("arm must be a name")
        return call.handle.rollouts.change(call.model, verb, call.who, arm)

    return change


_VERBS = {
    "pause": "Keep the rollout's shares as they are until it is resumed.",
    "resume": "Go on with a paused rollout.",
    "promote": "Let the new version answer all requests, without waiting for evidence.",
    "abort": "Put the old version back and hold the new one.",
}

_OF = {"promote": {"arm": ("string", "Of an experiment, which arm.")}}

ROLLOUT_ROUTES = (
    Operation(
        "POST",
        "/api/v1/models/{model}:rollout",
        "Begin a rollout beside the version that answers.",
        _begin,
        {
            "to": ("integer", "The new version; the newest when left out."),
            "plan": ("object", "The members of a plan's file, but model and to; a model's settings hold for the rest."),
            "wait_seconds": ("number", "How long to wait until the traffic was measured and the first step begins."),
            "who": WHO,
        },
    ),
    Operation("GET", "/api/v1/models/{model}/rollout", "The latest rollout as it stands.", _status, {}),
    *(
        Operation("POST", f"/api/v1/models/{{model}}:{verb}", summary, _change(verb), {**_OF.get(verb, {}), "who": WHO})
        for verb, summary in _VERBS.items()
    ),
)
