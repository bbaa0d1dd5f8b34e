"""A rollout in a simulated world: requests are drawn, the clock is a number, the journal a list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taxiway.journal import Event, ModelState, Rollout, apply
from taxiway.rollout.arms import Experiment
from taxiway.rollout.begin import Place, started, started_experiment
from taxiway.rollout.plan import RolloutPlan
from taxiway.rollout.states import Change
from taxiway.rollout.steer import Entry, Sight, command, steer

BEGAN = 1_800_000_000.0
MICROSECONDS = {"p50": 900.0, "p90": 1500.0, "p95": 2000.0, "p99": 3000.0, "p999": 9000.0}
# What the versions do, by guard: the chance that an answer is bad.
Rates = Callable[[str, int], Mapping[str, float]]
GOOD = {"errors": 0.01, "p95": 0.05, "p99": 0.01}


def alike(arm: str, version: int) -> Mapping[str, float]:
    """Both versions fail one request in a hundred."""
    return GOOD


@dataclass
class Counting:
    """What a data plane counts of one experiment."""

    experiment: str
    began: float
    arms: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    shadow: dict[str, Any] | None = None
    phases: dict[Any, dict[str, dict[str, Any]]] = field(default_factory=dict)
    phase: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: dict[tuple[str, int], deque[bool]] = field(default_factory=dict)

    def share(self, shares: list[tuple[str, int, float]]) -> None:
        """Count by these shares from here on."""
        fresh = {
            arm: {
                "arm": arm,
                "version": version,
                "share_ppm": round(share * 1e6),
                "units": 0,
                "served_units": 0,
                "labelled_units": 0,
            }
            for arm, version, share in shares
        }
        self.phase = self.phases.setdefault(tuple(shares), fresh)

    def add(self, rng: np.random.Generator, arm: str, version: int, requests: int, rates: Mapping[str, float]) -> None:
        fresh = {
            "answered": 0,
            "units": 0,
            "units_ever": 0,
            "served_units": 0,
            "bad": dict.fromkeys(GOOD, 0),
            "recent": {"bad": 0, "answers": 0, "bad_ever": 0},
        }
        kept = self.arms.setdefault((arm, version), fresh)
        kept["answered"] += requests
        kept["units"] += requests
        kept["units_ever"] += requests
        served = int(requests * (1 - rates["errors"]))
        kept["served_units"] += served
        for what, more in (("units", requests), ("served_units", served)):
            self.phase[arm][what] += more
        for guard, rate in rates.items():
            kept["bad"][guard] += int(rng.binomial(requests, rate))
        last = self.last.setdefault((arm, version), deque(maxlen=20))
        last.extend(rng.random(min(requests, 20)) < rates["errors"])
        kept["recent"] = {"bad": sum(map(bool, last)), "answers": len(last), "bad_ever": kept["bad"]["errors"]}

    def worth(self, arm: str, version: int, values: Any) -> None:
        """Add what the answers of an arm brought."""
        kept = self.arms[arm, version].setdefault("goal", {"count": 0, "sum": 0.0, "sum_squares": 0.0})
        kept["count"] += len(values)
        kept["sum"] += float(values.sum())
        kept["sum_squares"] += float((values**2).sum())

    def document(self) -> dict[str, Any]:
        arms = [
            {
                "arm": arm,
                "version": version,
                "latency": {"quantiles_us": MICROSECONDS},
                **counts,
                "bad": dict(counts["bad"]),
                "bad_answers": dict(counts["bad"]),
            }
            for (arm, version), counts in self.arms.items()
        ]
        phases = [
            {"number": n, "arms": [dict(arm) for arm in phase.values()]} for n, phase in enumerate(self.phases.values())
        ]
        document = {
            "experiment": self.experiment,
            "began_unix_ms": int(self.began * 1000),
            "arms": arms,
            "phases": phases,
        }
        if self.shadow is None:
            return document
        paired = {"accuracy": {key: self.shadow[key] for key in ("better", "worse", "same")}}
        return {**document, "shadows": [self.shadow], "paired": paired}

    def copy(self, version: int, requests: int, accuracy: tuple[int, int], errors: int) -> None:
        """Compare so many copies: how many of them only the new, and only the old version answers right."""
        nothing = {"compared": 0, "codes": {}, "nan": 0, "better": 0, "worse": 0, "same": 0}
        kept = self.shadow or {"version": version, **nothing, "recent": {"bad_ever": 0}}
        better, worse = accuracy
        for key, more in (("better", better), ("worse", worse), ("same", requests - better - worse)):
            kept[key] += more
        kept["compared"] += requests - errors
        for code, more in (("OK", requests - errors), ("INTERNAL", errors)):
            kept["codes"][code] = kept["codes"].get(code, 0) + more
        bad_ever = kept["recent"]["bad_ever"] + errors
        kept["recent"] = {"bad": min(errors, 20), "answers": min(requests, 20), "bad_ever": bad_ever}
        self.shadow = kept


class World:
    """One model, version 1 serving, and the rollout that ``plan`` says.

    ``values`` says what goal an answer brings on average, by arm. ``rates`` gives the chances of bad answers by arm and version; ``loaded`` is what became of loading the new version.
    """

    values: Mapping[str, float] = {}

    def __init__(
        self, plan: RolloutPlan | Experiment, rates: Rates = alike, *, seed: int = 0, rps: float = 100.0
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.rates, self.rps = rates, rps
        self.now = BEGAN
        self.loaded: bool | None = True
        self.waits = False
        self.replay: Mapping[str, Any] | None = None
        self.events: list[Event] = []
        self.kept = 0
        self.state = ModelState()
        self.counting: Counting | None = None
        self.newest = 2
        place = Place(1, 2, "r1", "salt")
        self.keep(started_experiment(plan, place) if isinstance(plan, Experiment) else started(plan, place))

    @property
    def rollout(self) -> Rollout:
        assert self.state.rollout is not None
        return self.state.rollout

    @property
    def default(self) -> int:
        wish = self.state.wish
        if wish is not None and wish.default is not None:
            return wish.default
        if self.state.pin is not None:
            return self.state.pin.version
        return 1 if self.rollout.target in self.state.held else self.rollout.target

    def keep(self, entry: Entry, who: str = "test") -> None:
        self.kept += 1
        event = Event(entry.kind, "m", who, self.now, entry.data, self.kept)
        self.events = [*(each for each in self.events if each.id != entry.replaces), event]
        self.state = apply(self.state, event)

    def sight(self) -> Sight:
        outcomes = None if self.counting is None else self.counting.document()
        return Sight(self.now, outcomes, self.default, self.loaded, "no file", self.newest, self.waits, self.replay)

    def serve(self, requests: int) -> dict[str, int]:
        """Answer so many requests; how many each arm got."""
        wish = self.state.wish
        if wish is None or wish.route is None:
            return {}
        route = wish.route
        arms = [(arm["name"], arm["version"], arm["share_ppm"] / 1e6) for arm in route["arms"]]
        if self.loaded is not True and any(version != self.default for _, version, _ in arms):
            return {}  # no route is in force before all that it leads to serves
        arms.append(("stable", self.default, max(1 - sum(share for *_, share in arms), 0.0)))
        if self.counting is None or self.counting.experiment != route["experiment"]:
            self.counting = Counting(route["experiment"], self.now)
        self.counting.share(arms)
        got = self.rng.multinomial(requests, [share for *_, share in arms])
        for (arm, version, _), count in zip(arms, got, strict=True):
            self.counting.add(self.rng, arm, version, int(count), self.rates(arm, version))
            if arm in self.values:
                self.counting.worth(arm, version, self.rng.normal(self.values[arm], 1.0, int(count)))
        return {arm: int(count) for (arm, *_), count in zip(arms, got, strict=True)}

    def restart(self) -> None:
        """A process that ends forgets what it counted."""
        self.counting = None

    def look(self) -> Entry | None:
        """One look; what it decided is kept."""
        entry = steer(self.rollout, self.sight())
        if entry is not None:
            self.keep(entry, "controller")
        return entry

    def command(self, change: Change, arm: str | None = None) -> None:
        self.keep(command(self.rollout, self.sight(), change, arm), "ann")

    def advance(self, seconds: float) -> dict[str, int]:
        """Let time pass, with its requests, and look."""
        self.now += seconds
        got = self.serve(int(seconds * self.rps))
        self.look()
        return got

    def run(self, seconds: float, every: float, until: Callable[[World], bool] = lambda world: False) -> None:
        """Look again and again, for at most so many seconds, until something is reached or it is over."""
        end = self.now + seconds
        while self.now < end and not self.rollout.over and not until(self):
            self.advance(every)
