"""Kills a server at random moments of rollouts, and compares what it is afterwards with what its journal says.

At each point a rollout is under way, users ask, and somebody may give a command while the process is killed. When it is
back, these must hold:

- every event that anybody saw, and every command that was answered, is in the journal; a look may have given way to a
  later one that stands for it;
- the state that the admin API tells (rollout, state, step, versions, held, default, shares) is the journal's replay;
- with the same route in the journal as before, the same users get the same arms and versions as before.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from taxiway.journal import Event, ModelState, apply
from tests.kills.served import MODEL, Served
from tests.waiting import eventually

KEYS = 24
LONGEST_SECONDS = 3.0
COMMANDS = ("", "", "pause", "resume", "promote", "abort", "rollback", "release")
PLAN = {
    "steps": [10, 25, 50], "step_duration": "1s", "step_units": 20, "measure": "1s", "max_duration": "10m",
    "guards": ["errors=x10,20pt"],
}  # fmt: skip
# A route leads requests in these states; in others a share that the admin API tells is not of a canary.
_SHARED = ("canary", "paused")


@dataclass(frozen=True)
class Facts:
    """A model at one moment: its rollout, who answers, and how requests are shared out."""

    rollout: tuple[str, str, int, int, int] | None
    held: tuple[int, ...]
    default: int | None
    shares: tuple[tuple[str, float], ...]


@dataclass
class Tally:
    """What was done, and what was seen."""

    points: int = 0
    states: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    events: int = 0
    same_table: int = 0


def replayed(events: Iterable[Event]) -> list[ModelState]:
    """The state of the model after each of its events."""
    states = [ModelState()]
    for event in events:
        if event.model == MODEL:
            states.append(apply(states[-1], event))
    return states


def expected(state: ModelState) -> Facts:
    """What the admin API must tell of a state, once everything is loaded."""
    record, wish, pin = state.rollout, state.wish, state.pin
    default = state.live
    if wish is not None and wish.default is not None:
        default = wish.default
    elif pin is not None:
        default = pin.version
    if record is None:
        return Facts(None, tuple(sorted(state.held)), default, ())
    route = wish.route if wish is not None and record.state in _SHARED else None
    shares = sorted((arm["name"], arm["share_ppm"] / 10_000) for arm in route["arms"]) if route else []
    rollout = (record.id, record.state, record.step + 1, record.source, record.target)
    return Facts(rollout, tuple(sorted(state.held)), default, tuple(shares))


def told(status: dict[str, Any], rollout: dict[str, Any] | None) -> Facts:
    """What the admin API tells."""
    held, default = tuple(status["held"]), status["default"]
    if rollout is None:
        return Facts(None, held, default, ())
    arms = rollout["arms"] if rollout["state"] in _SHARED and not rollout["over"] else []
    shares = sorted((arm["arm"], arm["share"]) for arm in arms if arm["arm"] in ("canary", "control") and arm["share"])
    what = (rollout["rollout"], rollout["state"], rollout["step"], rollout["from"], rollout["to"])
    return Facts(what, held, default, tuple(shares))


class Killer:
    """Goes from point to point; the server that one point leaves is the next one's."""

    def __init__(self, served: Served, seed: int) -> None:
        self._served = served
        self._draw = random.Random(seed)
        self._seen: dict[int, dict[str, Any]] = {}
        self._routes: dict[str, dict[str, Any]] = {}
        self._differing: tuple[Facts, Facts] | None = None
        self.tally = Tally()

    def point(self) -> None:
        """One kill.

        Raises:
            AssertionError: something was lost, or is not what the journal says.
        """
        served, draw = self._served, self._draw
        self._begin_rollout()
        verb, seconds = draw.choice(COMMANDS), draw.uniform(0.05, LONGEST_SECONDS)
        command = _Command(served, verb, draw.uniform(0, seconds))
        end = time.monotonic() + seconds
        command.start()
        while (left := end - time.monotonic()) > 0:
            if left > 0.5:
                self._look()
            else:
                threading.Event().wait(left)
        served.kill()
        command.join()
        events = served.journal()
        self._nothing_lost(events, command)
        self._count(events, command)
        served.start()
        try:
            eventually(self._look, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}; told and in the journal: {self._differing}") from error
        now = {event.id: event for event in served.journal()}
        for event in events:
            assert now.get(event.id) == event or _stood_for(event, now.values()), f"changed or lost: {event}"

    def _begin_rollout(self) -> None:
        """See to it that there is a rollout to be killed in, unless the state does not allow one."""
        rollout = self._served.rollout()
        if rollout is not None and not rollout["over"] and rollout["state"] != "live":
            if rollout["state"] == "paused" and self._draw.random() < 0.7:
                self._served.ask(f"models/{MODEL}:resume", {})
            return
        to = 3 - int(self._served.status()["default"])
        # Some go back because their process is killed too often, most live through many kills.
        plan = {**PLAN, "max_crashes": self._draw.choice((2, 1000, 1000))}
        begun = self._served.ask(f"models/{MODEL}:rollout", {"to": to, "plan": plan, "wait_seconds": 0})
        assert any(event.data.get("rollout") == begun["rollout"] for event in self._served.journal())

    def _look(self) -> bool:
        """Compare the admin API, and who gets which version, with the journal; False when it changed meanwhile."""
        served = self._served
        before = served.journal()
        status, rollout, history = served.status(), served.rollout(), served.ask("history?limit=50")["events"]
        state = replayed(before)[-1]
        route = state.wish.route if state.wish is not None else None
        led = served.led(KEYS) if route and route["arms"] else {}
        if any(arm is None for arm, _ in led.values()):
            return False  # its versions are loaded, and the route is not out yet
        newest = before[-1].id if before else 0
        if (served.journal() or before)[-1:] != before[-1:]:
            return False
        self._seen.update((event["id"], event) for event in history if event["id"] <= newest)
        found, wanted = told(status, rollout), expected(state)
        if found != wanted:
            self._differing = (found, wanted)
            # What the journal wants may still be loading, or the table of the last event is not out yet.
            return False
        if led:
            kept = self._routes.setdefault(repr(route), led)
            if kept != led and self._settled(state):
                raise AssertionError(f"the same route leads otherwise: {kept} and {led}")
            self.tally.same_table += kept is not led and kept == led
        return True

    def _settled(self, state: ModelState) -> bool:
        """Whether both of a rollout's versions serve: until then a route that names one is not out."""
        versions = {one["version"]: one["state"] for one in self._served.status()["versions"]}
        return state.wish is not None and all(versions.get(each) == "AVAILABLE" for each in state.wish.versions)

    def _nothing_lost(self, events: list[Event], command: _Command) -> None:
        kept = {event.id: event for event in events}
        for number, seen in self._seen.items():
            event = kept.get(number)
            if event is None:
                look = Event(seen["kind"], seen["model"], seen["who"], seen["at"], seen["data"], number)
                assert _stood_for(look, events), f"an event that was seen is lost: {seen}"
                continue
            assert (event.kind, event.model, event.who, dict(event.data)) == (
                seen["kind"], seen["model"], seen["who"], seen["data"],
            )  # fmt: skip
        if command.answer is None:
            return
        if "event" in command.answer:
            assert kept[command.answer["event"]].kind == command.verb
            return
        rollouts = [state.rollout for state in replayed(events) if state.rollout is not None]
        answered = (command.answer["rollout"], command.answer["state"], command.answer["step"])
        assert answered in {(one.id, one.state, one.step + 1) for one in rollouts}, command.answer

    def _count(self, events: list[Event], command: _Command) -> None:
        state = replayed(events)[-1]
        self.tally.points += 1
        self.tally.states["none" if state.rollout is None else state.rollout.state] += 1
        if command.verb:
            self.tally.commands[f"{command.verb} {'answered' if command.answer else 'refused or cut off'}"] += 1
        self.tally.events = len(events)


def _stood_for(look: Event, events: Iterable[Event]) -> bool:
    """Whether a later look of the same rollout stands for ``look``, having found the same."""
    return look.kind == "rollout-look" and any(
        event.kind == look.kind
        and event.id > look.id
        and event.data["rollout"] == look.data["rollout"]
        and event.data["since"] <= look.at
        and event.data["rule"] == look.data["rule"]
        for event in events
    )


class _Command(threading.Thread):
    """Somebody's command, some time before the kill. ``answer`` is what came back, None when nothing did."""

    def __init__(self, served: Served, verb: str, after_seconds: float) -> None:
        super().__init__()
        self.verb = verb
        self.answer: dict[str, Any] | None = None
        self._served, self._after_seconds = served, after_seconds

    def run(self) -> None:
        threading.Event().wait(self._after_seconds)
        if self.verb:
            body = {"wait_seconds": 1} if self.verb == "rollback" else {}
            with contextlib.suppress(OSError):
                self.answer = self._served.ask(f"models/{MODEL}:{self.verb}", body)
