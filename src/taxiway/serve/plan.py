"""What to do next: a pure function of what is wanted, what is there, and the time.

A version that serves leaves only when nothing is wanted any more, or when what replaces it serves and nothing wanted
is still on its way. A version that fails to load changes nothing for the others; while it fails, the next older one
is wanted in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taxiway.journal import ModelState, Wish
from taxiway.serve.lifecycle import Record, State
from taxiway.settings.table import Policy
from taxiway.types import JsonObject

__all__ = [
    "Action",
    "Found",
    "Load",
    "Unload",
    "View",
    "Withdraw",
    "choose_default",
    "keep_after_swap",
    "plan",
    "wanted",
]


@dataclass(frozen=True)
class Found:
    """A version's directory. ``waiting`` says why it may not be loaded yet; empty when it may.

    ``artifacts`` are those of its manifest, as a table has them; deciding does not look at them.
    """

    version: int
    path: str
    waiting: str = ""
    artifacts: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """All that is known of a model when a decision is made.

    ``kept`` holds, by version, until when it stays loaded; ``waits`` says that new versions wait for a rollout;
    ``labelled`` are the versions that requests may ask for by a label: they serve beside those of the policy, unless
    that is a list of versions.
    """

    policy: Policy
    found: Sequence[Found]
    records: Mapping[int, Record]
    state: ModelState = field(default_factory=ModelState)
    default: int | None = None
    kept: Mapping[int, float] = field(default_factory=dict)
    waits: bool = False
    labelled: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Load:
    """Begin to load a version; ``urgent`` when an operator waits for it, whatever that costs the requests meanwhile."""

    version: int
    path: str
    urgent: bool = False


@dataclass(frozen=True)
class Unload:
    """Take a serving version out of memory when its last request is done."""

    version: int


@dataclass(frozen=True)
class Withdraw:
    """Give up a version that is not in memory: one that waits for a retry, or ended and was not wanted since."""

    version: int


Action = Load | Unload | Withdraw


def wanted(view: View) -> set[int]:
    """The versions that should serve, held ones left out."""
    # Whoever lists versions one by one means these and no others.
    labelled = _there(view) & view.labelled if view.policy.numbers is None else set()
    return _chosen(view) | labelled


def _there(view: View) -> set[int]:
    return {f.version for f in view.found if not f.waiting or _under_way(view, f.version)} - view.state.held


def _chosen(view: View) -> set[int]:
    """The versions that the policy, a rollback and a rollout choose."""
    there = _there(view)
    candidates = _admitted(view, there)
    policy, wish = view.policy, view.state.wish
    pin = active_pin(view, candidates)
    if pin is not None:
        above = view.state.pin.above if view.state.pin else pin
        candidates = {version for version in candidates if version <= pin or version > above}
    if policy.numbers is not None:
        chosen = candidates & set(policy.numbers)
    elif policy.latest is None:
        chosen = candidates
    else:
        chosen = _latest(candidates, policy.latest, view.records)
    rollout = there & wish.versions if wish is not None else set()
    return chosen | rollout | ({pin} if pin in candidates else set())


def _admitted(view: View, there: set[int]) -> set[int]:
    """Of the versions that are there, those that the policy may choose; others wait for a rollout, or for its end."""
    wish, live, pin = view.state.wish, view.state.live, view.state.pin
    if wish is not None and wish.above is not None:
        top = wish.above if wish.default is None else wish.default
        return {version for version in there if version <= top}
    if not view.waits or live is None:
        return there
    back = {pin.version} if pin is not None else set()
    # When all that was live is gone from the store, answering with what waits is better than not answering.
    return {version for version in there if version <= live or version in back} or there


def _latest(candidates: set[int], count: int, records: Mapping[int, Record]) -> set[int]:
    """The newest ``count`` that are not failing, and every failing one above them."""
    chosen: set[int] = set()
    good = 0
    for version in sorted(candidates, reverse=True):
        if good == count:
            break
        chosen.add(version)
        record = records.get(version)
        good += record is None or record.error is None
    return chosen


def active_pin(view: View, candidates: set[int]) -> int | None:
    """The version a rollback put back, until a newer one than it went back from answers."""
    pin = view.state.pin
    if pin is None or _serving(view) & {version for version in candidates if version > pin.above}:
        return None
    return pin.version


def plan(view: View, now: float) -> list[Action]:
    """What to begin now; loads first, the newest first.

    Args:
        view: the model.
        now: monotonic seconds.
    """
    want = wanted(view)
    loads = [action for version in sorted(want, reverse=True) if (action := _load(view, version, now))]
    idle = [
        Withdraw(version)
        for version, record in sorted(view.records.items())
        if version not in want and (record.state is State.START or (record.state is State.END and not record.dropped))
    ]
    return [*loads, *(Unload(version) for version in _leaving(view, want, now)), *idle]


def _load(view: View, version: int, now: float) -> Load | None:
    path = next(f.path for f in view.found if f.version == version)
    record = view.records.get(version)
    due = record is not None and record.state is State.START and record.retry_at <= now
    pin = view.state.pin
    return Load(version, path, pin is not None and version == pin.version) if due or _fresh(record) else None


def _leaving(view: View, want: set[int], now: float) -> list[int]:
    """The serving versions that may go, lowest first."""
    serving = _serving(view)
    on_disk = {f.version for f in view.found}
    kept = {version for version, until in view.kept.items() if until > now and version in on_disk}
    if not want:
        # Nothing is there, or not whole yet, or all is held. What is half there replaces nothing, and an operator
        # who holds the only version wants no outage.
        waiting = any(f.waiting for f in view.found)
        staying = kept | (view.state.held & on_disk)
        return [] if waiting else sorted(serving - staying)
    spare = sorted(serving - want - kept - {view.default})
    ready = bool(serving & want)
    return spare if ready and not any(_pending(view.records.get(version)) for version in want) else []


def _pending(record: Record | None) -> bool:
    """Whether a wanted version may yet come to serve, at its first attempt."""
    if record is None or _fresh(record):
        return True
    return record.error is None and record.state is not State.AVAILABLE


def _fresh(record: Record | None) -> bool:
    """Whether wanting the version means to begin: it never did, or it ended and not by a failure of this wish."""
    return record is None or (record.state is State.END and (record.dropped or record.error is None))


def _under_way(view: View, version: int) -> bool:
    """Whether it is in memory or comes to be. A version is its number: touching its files does not unmake it."""
    record = view.records.get(version)
    return record is not None and record.state in (State.LOADING, State.AVAILABLE)


def choose_default(view: View) -> int | None:
    """The version that answers a request naming none; None when none serves."""
    serving = _serving(view)
    wish = view.state.wish
    if wish is not None and wish.default is not None:
        return _wished_default(view, wish, serving)
    free = serving - view.state.held
    # A label makes a version askable by its name; it does not make it the one that answers everybody.
    chosen = _chosen(view)
    want = chosen & serving
    pin = view.state.pin
    if pin is not None:
        newer = {version for version in want if version > pin.above}
        if newer:
            return max(newer)
        if pin.version in serving:
            return pin.version
        if view.default in serving:  # the one put back is still loading
            return view.default
    if want:
        return max(want)
    if view.default in serving:
        return view.default
    return max((free or serving) - (view.labelled - chosen), default=None)


def _wished_default(view: View, wish: Wish, serving: set[int]) -> int | None:
    """The version that a rollout leaves the requests to; another only when that one cannot be had."""
    if wish.default in serving:
        return wish.default
    if view.default in serving:
        return view.default
    there = any(f.version == wish.default for f in view.found)
    if there and wish.default is not None and _pending(view.records.get(wish.default)):
        return None
    tried = wish.versions - {wish.default}
    return max(serving - view.state.held - tried or serving, default=None)


def keep_after_swap(
    kept: Mapping[int, float], old: int | None, new: int | None, until: float, count: int
) -> dict[int, float]:
    """Which versions stay loaded, and until when, after ``new`` took over from ``old``."""
    after = {version: when for version, when in kept.items() if version not in (old, new)}
    if old is not None and new is not None and old != new:
        after[old] = until
    newest = sorted(after, key=lambda version: (after[version], version == old), reverse=True)[:count]
    return {version: after[version] for version in newest}


def _serving(view: View) -> set[int]:
    return {version for version, record in view.records.items() if record.state is State.AVAILABLE}
