"""Which version a rollout brings when nobody says, and what a model's settings say of its plan."""

from __future__ import annotations

from collections.abc import Mapping

from taxiway.errors import FailedPrecondition, NotFound
from taxiway.rollout.entry import Entry
from taxiway.serve.fleet import Model

__all__ = ["asked", "check_defaults", "check_version", "defaults", "newest"]


def defaults(model: Model) -> Mapping[str, object]:
    """What the model's settings say of plans.

    Raises:
        NotFound, InvalidArgument: they name a file that is not there, or not TOML.
    """
    values = dict(model.settings.rollout.plan or {})
    file = values.pop("file", None)
    if not isinstance(file, str):
        return values
    from taxiway.rollout.parse import over
    from taxiway.rollout.read import read_values

    return over(read_values(file), values)


def check_defaults(model: Model) -> None:
    """Whether the settings hold a plan; better to be told now than when the next version is published.

    Raises:
        NotFound, InvalidArgument: they do not.
    """
    from taxiway.rollout.arms import parse_experiment
    from taxiway.rollout.parse import parse_plan

    values = {**defaults(model), "model": model.name, "to": 0}
    (parse_experiment if "arms" in values else parse_plan)(values, f"the rollout of {model.name} in the settings")


def asked(model: Model, values: Mapping[str, object], tokens: tuple[str, str]) -> tuple[Entry, list[int]]:
    """The event that begins the rollout that somebody asks for, and the versions that it brings.

    ``tokens`` were never used before: for its name, and its salt.

    Raises:
        InvalidArgument, NotFound, FailedPrecondition: it cannot be; the hint says what would work.
    """
    from taxiway.rollout.arms import parse_experiment
    from taxiway.rollout.baseline import check_guards
    from taxiway.rollout.begin import Place, name_of, started, started_experiment
    from taxiway.rollout.parse import over, parse_plan

    source = model.default
    if source is None:
        raise FailedPrecondition(
            f"no version of {model.name} answers, so there is nothing to compare with", hint="publish one"
        )
    given = {**over(defaults(model), values), "model": model.name}
    if "to" not in given and "arms" not in given:
        given["to"] = newest(model, source)
    tried = parse_experiment(given, "the plan") if "arms" in given else None
    plan = parse_plan(given, "the plan") if tried is None else tried.plan
    check_guards(plan)
    versions = [plan.to] if tried is None else [arm.version for arm in tried.arms]
    for version in versions:
        check_version(model, version, source)
    place = Place(source, max(model.whole() | {plan.to}), name_of(model.name, plan.to, tokens[0]), tokens[1])
    return started(plan, place) if tried is None else started_experiment(tried, place), versions


def newest(model: Model, source: int) -> int:
    """The version to roll out when none is named: the newest one after ``source`` that nobody holds.

    Raises:
        NotFound: there is none; the message says what there is.
    """
    newer = {version for version in model.whole() if version > source}
    free = newer - model.state.held
    if free:
        return max(free)
    if newer:
        raise NotFound(
            f"of {model.name} nothing newer than version {source} may be rolled out: {_listed(newer)} is held",
            hint=f"taxiway rollout start {model.name} --to {max(newer)} rolls it out all the same",
        )
    raise NotFound(
        f"there is no version of {model.name} newer than {source}, which answers{_coming(model, source)}",
        hint=f"publish one; or go back to an older one ({_older(model, source)}) with taxiway rollback {model.name}",
    )


def check_version(model: Model, to: int, source: int) -> None:
    """Whether the version can be rolled out beside ``source``.

    Raises:
        FailedPrecondition, NotFound: it answers already, is not whole yet, or is not there.
    """
    if to == source:
        raise FailedPrecondition(f"version {to} of {model.name} answers already", hint=f"taxiway status {model.name}")
    there = model.whole()
    if to in there:
        return
    waiting = {found.version: found.waiting for found in model.observed.found} if model.observed else {}
    if waiting.get(to):
        raise FailedPrecondition(
            f"version {to} of {model.name} cannot be rolled out yet: {waiting[to]}", hint="try again when it is whole"
        )
    raise NotFound(
        f"no version {to} of {model.name} to roll out",
        hint=f"beside version {source} there are: {_listed(there - {source})}",
    )


def _older(model: Model, source: int) -> str:
    return _listed({version for version in model.whole() if version < source})


def _coming(model: Model, source: int) -> str:
    """What is on its way, to be added to a sentence."""
    found = model.observed.found if model.observed else ()
    waiting = [f"; version {one.version}: {one.waiting}" for one in found if one.waiting and one.version > source]
    return "".join(waiting)


def _listed(versions: set[int]) -> str:
    return ", ".join(map(str, sorted(versions))) or "none"
