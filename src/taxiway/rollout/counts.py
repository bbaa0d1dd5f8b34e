"""From what a data plane counted to what a rollout has seen, over restarts and changes of step.

A data plane counts from the moment an experiment begins in it, and forgets when its process ends. What was seen is
therefore kept as sums of differences: ``raw`` are the counts at the last look, ``epoch`` says which count they are of.
Nothing here is kept in memory: the next look is worked out from the document of the one before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taxiway.rollout.evidence.brake import Recent
from taxiway.rollout.evidence.means import Arm
from taxiway.rollout.evidence.paired import Paired
from taxiway.rollout.evidence.ratio import Assigned
from taxiway.rollout.observations import ALWAYS_JUDGED, Exposure, Observations, Tally
from taxiway.rollout.routing import CANARY, CONTROL, STABLE

__all__ = [
    "SPLIT",
    "Seen",
    "anew",
    "begin_step",
    "goal_of",
    "look",
    "observations",
    "settles",
    "split_of",
    "tally_of",
    "units_of",
]

Sums = dict[str, float]
# Sums that begin anew with each step, and when somebody resumes what was paused or a process begins to count.
_STEP, _SPLIT = "step.", "split."
SPLIT = ("units", "served_units", "labelled_units")
"""What must come to the arms in their shares; within one step each unit is counted once."""
_UNITS = ("units", "served_units")
# Each unit once, in however many steps it came.
_UNITS_EVER = "units_ever"
_PHASE, _SHARE = "phase.", "share_ppm"
_GOAL, _SUMS = "goal.", ("count", "sum", "sum_squares")
_COMPARED = "shadow.compared"
_FAULTS = "own_faults"
# After loading, so many answers of an arm say nothing of its times.
_SETTLING = 50
_UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Seen:
    """All that was seen: ``total`` sums, the ``raw`` counts they go up to, the canary's last answers.

    ``paused_seconds`` is for how long nothing was to be learned by it, since somebody or something paused it. The split
    was asked for at ``split_before`` steps before it was last begun anew.
    """

    epoch: str
    raw: Mapping[str, float]
    total: Mapping[str, float]
    recent: Recent
    paused_seconds: float = 0.0
    split_before: int = 0

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Seen:
        """From the journal; an empty document is nothing seen."""
        recent = document.get("recent", {})
        return cls(
            document.get("epoch", ""),
            document.get("raw", {}),
            document.get("total", {}),
            Recent(recent.get("bad", 0), recent.get("answers", 0), recent.get("bad_ever", 0)),
            document.get("paused_seconds", 0.0),
            document.get("split_before", 0),
        )

    def document(self) -> dict[str, Any]:
        """For the journal."""
        recent = {"bad": self.recent.bad, "answers": self.recent.answers, "bad_ever": self.recent.bad_ever}
        kept = {"epoch": self.epoch, "raw": dict(self.raw), "total": dict(self.total), "recent": recent}
        more = {"paused_seconds": self.paused_seconds, "split_before": self.split_before}
        return {**kept, **{name: value for name, value in more.items() if value}}


def look(
    seen: Seen,
    outcomes: Mapping[str, Any] | None,
    experiment: str,
    target: int,
    brought: Collection[str] = (CANARY,),
    *,
    server: str = "",
) -> Seen:
    """What was seen when the data plane's document of ``experiment`` is added; None, or another one's, adds nothing.

    A version that was just loaded is slow: until each arm that is ``brought`` (as its counts begin) has answered some
    requests, what is slow is not added, of no arm. ``server`` says whose document it is where there are several.
    """
    if outcomes is None or outcomes["experiment"] != experiment:
        return seen
    epoch, raw = _epoch(outcomes, server), _flat(outcomes, target)
    seen = seen if epoch == seen.epoch else replace(anew(seen), epoch=epoch, raw={})
    before, total = seen.raw, dict(seen.total)
    settled = _settled(before, brought)
    for name, count in raw.items():
        more = count - before.get(name, 0)
        if name.startswith(_PHASE):
            split = _SPLIT + name.removeprefix(_PHASE)
            total[split] = count if name.endswith(_SHARE) else total.get(split, 0) + more
            continue
        arm, _, what = name.partition(".")
        if what.startswith(_GOAL):
            continue
        if not settled and not arm.startswith(STABLE):
            if what == "answered":
                total[f"{arm}.{_UNSETTLED}"] = total.get(f"{arm}.{_UNSETTLED}", 0) + more
            elif what.startswith(("bad.", "bad_answers.")) and not what.endswith(f".{ALWAYS_JUDGED}"):
                continue
        if what == _UNITS_EVER:
            # Records of a Taxiway that counted units at each step only go on from what they have.
            total.setdefault(name, seen.total.get(f"{arm}.units", 0))
        total[name] = total.get(name, 0) + more
        if (what in _UNITS and not arm.startswith(STABLE)) or name == _COMPARED:
            total[_STEP + name] = total.get(_STEP + name, 0) + more
    for arm in {name.partition(".")[0] for name in raw if f".{_GOAL}" in name}:
        total |= _goal_sums(f"{arm}.{_GOAL}", total, before, raw)
    return replace(seen, raw=raw, total=total, recent=_recent(outcomes, target))


def handed_over(
    seen: Seen, outcomes: Mapping[str, Any] | None, experiment: str, target: int, *, server: str = ""
) -> Seen:
    """The same when ``server`` counts on; what it has counted so far is not added, another's counts stand for it."""
    if outcomes is None or outcomes["experiment"] != experiment:
        return seen
    return replace(anew(seen), epoch=_epoch(outcomes, server), raw=_flat(outcomes, target))


def _epoch(outcomes: Mapping[str, Any], server: str) -> str:
    return f"{outcomes['experiment']} {outcomes['began_unix_ms']} {server}".rstrip()


def _goal_sums(prefix: str, total: Mapping[str, float], before: Mapping[str, float], raw: Mapping[str, float]) -> Sums:
    """An arm's sums of a goal with what came since ``before``.

    A data plane sums distances from its first value, so that large values that are much alike keep their spread. What
    another process counted is moved to the origin that is kept.
    """
    if not {f"{prefix}sum", f"{prefix}sum_squares"} <= raw.keys():
        return {}
    count, sum_, squares = (raw[prefix + what] - before.get(prefix + what, 0) for what in _SUMS)
    begun = total.get(f"{prefix}count", 0) > 0
    # Records of a Taxiway that summed the values themselves have none.
    origin = total.get(f"{prefix}origin", 0.0) if begun else raw.get(f"{prefix}origin", 0.0)
    moved = raw.get(f"{prefix}origin", 0.0) - origin
    squares += 2 * moved * sum_ + count * moved**2
    sum_ += count * moved
    sums = zip(_SUMS, (count, sum_, squares), strict=True)
    return {f"{prefix}origin": origin} | {prefix + what: total.get(prefix + what, 0) + more for what, more in sums}


def settles(before: Seen, now: Seen, brought: Collection[str] = (CANARY,)) -> bool:
    """Whether the versions brought have answered enough by ``now`` to be judged by their times, and had not before."""
    return _settled(now.raw, brought) and (before.epoch != now.epoch or not _settled(before.raw, brought))


def _settled(raw: Mapping[str, float], brought: Collection[str]) -> bool:
    return all(raw.get(f"{arm}.answered", 0) >= _SETTLING for arm in brought)


def begin_step(seen: Seen) -> Seen:
    """The same at the beginning of a step."""
    return _without(seen, _STEP)


def anew(seen: Seen) -> Seen:
    """The same when somebody resumes, or a process begins to count: whether the arms get their shares is asked anew."""
    return replace(_without(seen, _SPLIT), split_before=seen.split_before + len(_split_steps(seen)))


def observations(seen: Seen, base_rates: Mapping[str, float], *, shadow: float = 0.0) -> Observations:
    """What a judgement is made from. Canary and control are equally large: each has one half of what is compared.

    While there is only a ``shadow``, of that share of the requests, a step's units are the requests that were compared.
    """
    total = seen.total
    compared = int(total.get(_STEP + _COMPARED, 0))
    canary, control = _tally(total, CANARY), _tally(total, CONTROL)
    exposures = (Exposure(canary, control),) if canary.answered or control.answered else ()
    assigned, served, labelled = (split_of(seen, (CANARY, CONTROL), what) for what in SPLIT)
    return Observations(
        exposures=_of_copies(total, shadow) if shadow else exposures,
        step_units=(compared, compared) if shadow else (units_of(seen, CANARY), units_of(seen, CONTROL)),
        recent=seen.recent,
        assigned=assigned,
        served=served,
        labelled=labelled,
        split_before=seen.split_before,
        paired=_paired(total),
        goal=_goal(total),
        base_rates=base_rates,
    )


def tally_of(seen: Seen, arm: str) -> Tally:
    """One arm's answers; an arm of an experiment is called NAME:VERSION here."""
    return _tally(seen.total, arm)


def goal_of(seen: Seen, arm: str) -> Arm | None:
    """One arm's values of the goal; None before there are two."""
    return _arm(seen.total, f"{arm}.goal.")


def units_of(seen: Seen, arm: str) -> int:
    """One arm's units since the beginning of the step."""
    return int(seen.total.get(f"{_STEP}{arm}.units", 0))


def split_of(seen: Seen, arms: Sequence[str], what: str) -> tuple[Assigned, ...]:
    """How many came to each arm, of what :data:`SPLIT` names, at each step, with the shares that they had in it."""
    total, found = seen.total, []
    for step in _split_steps(seen):
        shares = [total.get(f"{_SPLIT}{step}.{arm}.{_SHARE}", 0) for arm in arms]
        if all(shares):
            counts = tuple(int(total.get(f"{_SPLIT}{step}.{arm}.{what}", 0)) for arm in arms)
            found.append(Assigned(counts, tuple(share / sum(shares) for share in shares)))
    return tuple(found)


def _split_steps(seen: Seen) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in seen.total if name.startswith(_SPLIT) and name.endswith(_SHARE)})


def _of_copies(total: Mapping[str, float], share: float) -> tuple[Exposure, ...]:
    """Failing copies beside the old version's own faults at the same time.

    Only what the old version answered is copied, so whatever a copy fails by is held against the new one, and of the
    old one what was its own fault. If they fail alike, a failure is a copy's with the chance share / (1 + share) at
    most: copies that were dropped, or are still to come, make it less.
    """
    arms = {name.split(".")[0] for name in total if name.startswith(f"{STABLE}:")}
    answered, faults = (int(sum(total.get(f"{arm}.{what}", 0) for arm in arms)) for what in ("answered", _FAULTS))
    copies = _tally(total, "shadow")
    return (Exposure(copies, Tally(answered, {ALWAYS_JUDGED: faults}), share / (1 + share)),) if copies.answered else ()


def _flat(outcomes: Mapping[str, Any], target: int) -> Sums:
    """The counts as ``ARM.WHAT``. An arm on several versions is one arm per version only after a promotion."""
    flat: Sums = {}
    for arm in outcomes["arms"]:
        name = _name(arm)
        flat |= {f"{name}.{_FAULTS}": arm["recent"]["bad_ever"]} if arm["arm"] == STABLE else {}
        flat |= {f"{name}.{what}": arm[what] for what in ("answered", *_UNITS, _UNITS_EVER) if what in arm}
        for kind in ("bad", "bad_answers"):
            flat |= {f"{name}.{kind}.{guard}": count for guard, count in arm[kind].items()}
        flat |= {f"{name}.goal.{what}": value for what, value in arm.get("goal", {}).items() if value is not None}
    for phase in outcomes.get("phases", []):
        for arm in phase["arms"]:
            prefix = f"{_PHASE}{phase['number']}.{_name(arm)}."
            if arm["arm"] != STABLE and arm[_SHARE]:
                flat |= {prefix + what: arm[what] for what in (*SPLIT, _SHARE) if what in arm}
    for shadow in outcomes.get("shadows", []):
        if shadow["version"] == target:
            answered, errors = _shadow_answers(shadow)
            flat |= {_COMPARED: shadow["compared"], "shadow.answered": answered, "shadow.bad.errors": errors}
    for guard, counts in (outcomes.get("paired") or {}).items():
        flat |= {f"paired.{guard}.{what}": count for what, count in counts.items()}
    return flat


def _name(arm: Mapping[str, Any]) -> str:
    return str(arm["arm"]) if arm["arm"] in (CANARY, CONTROL) else f"{arm['arm']}:{arm['version']}"


def _recent(outcomes: Mapping[str, Any], target: int) -> Recent:
    """The last answers of the new version: as the canary, or once it is live as what all get, or else to copies."""
    arms = {(arm["arm"], arm["version"]): arm for arm in outcomes["arms"]}
    shadows = [each for each in outcomes.get("shadows", []) if each["version"] == target]
    found = arms.get((STABLE, target)) or arms.get((CANARY, target)) or (shadows[0] if shadows else None)
    return Recent() if found is None else Recent(**found["recent"])


def _shadow_answers(shadow: Mapping[str, Any]) -> tuple[int, int]:
    """How many copies were run, and how many of them ended badly: whatever they say, the old version answered."""
    codes = shadow["codes"]
    answered = sum(codes.values())
    return answered, answered - codes.get("OK", 0) + shadow["nan"]


def _tally(total: Mapping[str, float], arm: str) -> Tally:
    def by_guard(kind: str) -> dict[str, int]:
        prefix = f"{arm}.{kind}."
        return {name.removeprefix(prefix): int(count) for name, count in total.items() if name.startswith(prefix)}

    answered, unsettled = (int(total.get(f"{arm}.{what}", 0)) for what in ("answered", _UNSETTLED))
    units = int(total.get(f"{arm}.{_UNITS_EVER}", total.get(f"{arm}.units", 0)))
    # The data plane tells no units apart among copies and in what no arm takes.
    told_apart = units > 0
    bad = by_guard("bad")
    return Tally(answered, bad, units if told_apart else None, by_guard("bad_answers") or bad, unsettled)


def _paired(total: Mapping[str, float]) -> dict[str, Paired]:
    guards = {name.split(".")[1] for name in total if name.startswith("paired.")}
    return {
        guard: Paired(*(total.get(f"paired.{guard}.{what}", 0) for what in ("better", "worse", "same")))
        for guard in guards
    }


def _goal(total: Mapping[str, float]) -> tuple[Arm, Arm] | None:
    canary, control = (_arm(total, f"{arm}.goal.") for arm in (CANARY, CONTROL))
    return None if canary is None or control is None else (canary, control)


def _arm(total: Mapping[str, float], prefix: str) -> Arm | None:
    """Count, average and unbiased variance from sums of distances from an origin and of their squares."""
    count, sum_, squares = (total.get(f"{prefix}{what}") for what in _SUMS)
    if count is None or sum_ is None or squares is None or count < 2:
        return None
    distance = sum_ / count
    mean = total.get(f"{prefix}origin", 0.0) + distance
    return Arm(int(count), mean, max(squares - count * distance**2, 0.0) / (count - 1))


def _without(seen: Seen, kind: str) -> Seen:
    total = {name: count for name, count in seen.total.items() if not name.startswith(kind)}
    return replace(seen, total=total)
