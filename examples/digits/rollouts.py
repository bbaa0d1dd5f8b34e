"""Three rollouts under the demo's traffic: one that is promoted by itself, two that go back by themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import taxiway
from examples.digits.asking import Askers
from examples.digits.commands import MODEL, Unhappy, shown, taxiway_command
from examples.digits.story import Story
from taxiway.types import JsonObject

PATIENCE_SECONDS = 180.0
GOOD, WORSE, FAULTY = 2, 3, 4
# No guard of latency: where other work stalls the machine, slow answers come in bursts, which hit the arms unequally.
_STEPS = ["--steps", "10,25,50", "--step-duration", "3s", "--step-units", "50", "--max-duration", "3m"]
# So many compared answers convict the worse version in shadow with certainty, before it could answer anybody.
_SHADOW = [
    "--shadow",
    "100",
    "--step-units",
    "1000",
    "--measure",
    "1s",
    "--step-duration",
    "3s",
    "--max-duration",
    "1h",
]
_SAID = {"BEGIN": "load it and measure the traffic", "ARRIVED": "loaded and measured"}


@dataclass(frozen=True)
class Scene:
    """Where it happens: the printer, the callers, the demo's folder, the server and how one types it."""

    story: Story
    askers: Askers
    folder: Path
    url: str
    typed: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended: its status, seconds to the decision, and the moment (of the callers' clock) it was typed."""

    status: JsonObject
    seconds: float
    typed: float


def rolled_out(scene: Scene) -> list[tuple[str, float]]:
    """The three rollouts, one after the other.

    Returns:
        The phases: what each is called, and the moment it ended.

    Raises:
        Unhappy: a good version was not promoted, or a bad one not put back by the guard that should.
    """
    moments = []
    chapters = (("canary of version 2", promoted), ("shadow of version 3", worse), ("canary of version 4", faulty))
    for title, chapter in chapters:
        chapter(scene)
        moments.append((title, time.perf_counter()))
    return moments


def promoted(scene: Scene) -> None:
    """Version 2 once more, step by step; it is good, and takes over by itself."""
    scene.story.step("Bring version 2 back step by step, as a canary beside an equal control")
    outcome = followed(scene, GOOD, [*_STEPS, "--guard", "errors=x3,2pt"])
    expect(outcome, "live", "PROVEN")
    told(scene, outcome, "promoted by itself")
    if scene.askers.wait_for(GOOD, PATIENCE_SECONDS) is None:
        raise Unhappy(f"version {GOOD} was promoted, and does not answer everyone")


def worse(scene: Scene) -> None:
    """The run of three epochs is published by mistake; shadow copies and true labels tell."""
    scene.story.step("Publish the run of three epochs by mistake: copies of requests, and labels, tell")
    arriving(scene, WORSE, scene.folder / "runs" / "first")
    scene.askers.say_right.set()
    outcome = followed(scene, WORSE, [*_SHADOW, "--guard", "accuracy=3pt"])
    scene.askers.say_right.clear()
    expect(outcome, "rolled back", "HARM", "accuracy")
    told(scene, outcome, "put back by itself")


def faulty(scene: Scene) -> None:
    """A version that has no answer for one digit in ten."""
    scene.story.step("Publish one with a new step that divides by zero on one digit in ten")
    arriving(scene, FAULTY, scene.folder / "faulty")
    outcome = followed(scene, FAULTY, [*_STEPS, "--guard", "errors=x3,2pt"])
    if outcome.status["rule"] != "BRAKE":
        expect(outcome, "rolled back", "HARM", "errors")
    told(scene, outcome, "put back by itself")


def arriving(scene: Scene, version: int, what: Path) -> None:
    """Publish a version that waits for its rollout, and return when the server has seen it."""
    taxiway_command(scene.story, ["hold", MODEL, str(version), *scene.typed])
    taxiway_command(scene.story, ["publish", shown(what), MODEL, "--store", shown(scene.folder / "models")], 1)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        seen = {one["version"]: one["state"] for one in taxiway.status(MODEL, server=scene.url)[0]["versions"]}
        if seen.get(version, "WAITING") != "WAITING":
            return
        time.sleep(0.1)
    raise Unhappy(f"the server did not see version {version}")


def followed(scene: Scene, to: int, options: Sequence[str]) -> Outcome:
    """Start a rollout and print each change of its state, until it is over or live; Unhappy when that takes long."""
    typed = time.perf_counter()
    taxiway_command(scene.story, ["rollout", "start", MODEL, "--to", str(to), *options, *scene.typed], 1)
    told, deadline = 0, typed + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        status = taxiway.rollout.status(MODEL, server=scene.url)
        history = taxiway.history(MODEL, limit=100, server=scene.url)
        events = [event for event in history if of(event, status["rollout"])][::-1]
        changes = [event for event in events if event["kind"] == "rollout-changed"]
        for number, event in enumerate(changes[told:], told):
            why = "" if number and reason(event) == reason(changes[number - 1]) else reason(event)
            scene.story.say(f"{event['at'] - events[0]['at']:5.1f} s  {place(event, status['steps'])}{why}".rstrip())
        told = len(changes)
        if status["over"] or status["state"] == "live":
            return Outcome(status, decision(changes) - events[0]["at"], typed)
        time.sleep(0.3)
    raise Unhappy(f"the rollout of version {to} came to no end: {status['state']}, {status['next']}")


def of(event: JsonObject, rollout: str) -> bool:
    """Whether an event of the journal is one of this rollout."""
    return bool(event["data"].get("rollout") == rollout)


def decision(changes: Sequence[JsonObject]) -> float:
    """When it was decided to promote, or to go back."""
    return next(float(event["at"]) for event in changes if event["data"]["state"] in ("promoting", "rolling back"))


def place(event: JsonObject, steps: Sequence[float]) -> str:
    """The state that a change led to, and the canary's share, as two columns."""
    data = event["data"]
    share = f"{steps[data['step']]:g} %" if data["state"] == "canary" else ""
    return f"{data['state']:<13}{share:<6}"


def reason(event: JsonObject) -> str:
    """The rule behind a change, in the words of ``taxiway history`` where they say enough."""
    data = event["data"]
    because = f" ({data['because']})" if data["because"] else ""
    rule: str = _SAID.get(data["rule"], data["rule"].lower().replace("_", " "))
    return rule + because


def expect(outcome: Outcome, state: str, rule: str, because: str = "") -> None:
    """Unhappy unless the rollout ended in this state; for this reason, when one is given."""
    status = outcome.status
    if status["state"] != state or (because and (status["rule"], status["because"]) != (rule, because)):
        raise Unhappy(
            f"version {status['to']} should be {state} ({rule}); it is {status['state']}: {status['text']} "
            f"({status['because']})"
        )


def told(scene: Scene, outcome: Outcome, what: str) -> None:
    """What it came to: when, why, and who was affected, as the callers saw it and not as the server counts."""
    status, story = outcome.status, scene.story
    story.good(f"version {status['to']} was {what}, {outcome.seconds:.1f} s after it began")
    story.say(f"why: {status['text']}")
    for guard in status["guards"]:
        if found := evidence(guard, status["arms"]):
            story.say(f"     {found}")
    asked = [one for one in scene.askers.asked() if one.sent > outcome.typed]
    answered = [one for one in asked if one.version == status["to"]]
    affected = sum(one.problem is not None for one in answered)
    story.say(f"meanwhile {len(asked):,} requests, {len(answered):,} of them answered by it, {affected} affected")


def evidence(guard: JsonObject, arms: Sequence[JsonObject]) -> str:
    """What a guard saw, in few words; nothing of one that has not decided."""
    name = guard["name"]
    if guard["finding"] not in ("worse", "proven within its margin"):
        return ""
    if name == "accuracy":
        bounds = f"between {100 * guard['low']:+.1f} and {100 * guard['high']:+.1f}"
        return f"accuracy: {100 * guard['estimate']:+.1f} points, {bounds}"
    bad = {arm["arm"]: f"{arm['bad'].get(name, 0)} of {arm['answered']:,}" for arm in arms}
    return f"{name}: canary {bad.get('canary', 0)}, control {bad.get('control', 0)}"
