"""What a study is asked to do: one document, ``study.json``, written once and never changed afterwards."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound
from taxiway.train.record import replace_text
from taxiway.train.request import TrainRequest, nearest
from taxiway.tune.keys import check_keys
from taxiway.tune.space import Space

__all__ = ["ALGORITHMS", "EARLY_STOPPING", "Budget", "Description", "Goal", "Search", "read_description"]

STUDY_FILE = "study.json"
DIRECTIONS = ("maximize", "minimize")
ALGORITHMS = ("tpe", "grid", "random")
EARLY_STOPPING = ("none", "median", "hyperband")
# A trial trains in one process: what is spread over processes is the trials.
_STRATEGIES = ("auto", "one-device", "mirrored", "central-storage", "tpu")


@dataclass(frozen=True)
class Goal:
    """What makes a trial better than another.

    Args:
        metric: as the run names it: ``val_accuracy``, ``loss``. A trial's value is that of its last epoch.
        direction: ``maximize`` or ``minimize``.
    """

    metric: str
    direction: str

    def __post_init__(self) -> None:
        metric: object = self.metric
        if not isinstance(metric, str) or not metric or any(each.isspace() for each in metric):
            raise InvalidArgument(f"The goal's metric is {self.metric!r}, not a name.", hint='metric = "val_accuracy"')
        if self.direction not in DIRECTIONS:
            raise InvalidArgument(
                f"The goal's direction is {self.direction!r}.", hint=nearest(str(self.direction), DIRECTIONS, "One of ")
            )

    @classmethod
    def parse(cls, text: str) -> Goal:
        """``maximize:val_accuracy`` as a goal."""
        direction, colon, metric = text.partition(":")
        if not colon:
            raise InvalidArgument(f"{text!r} is no goal.", hint=f"maximize:{text} or minimize:{text}")
        return cls(metric, direction)

    def better(self, value: float, other: float) -> bool:
        """Whether ``value`` is better than ``other``."""
        return value > other if self.direction == "maximize" else value < other


@dataclass(frozen=True)
class Budget:
    """When a study ends.

    Args:
        trials: how many trials finish, those that were stopped early among them; failed ones do not count.
        seconds: no trial begins later than so long after the command began; those that run then finish.
        max_failed: the study ends when more trials than this failed.
    """

    trials: int = 20
    seconds: float | None = None
    max_failed: int = 5

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("max_failed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidArgument(f"{name} is {value!r}; it must be a whole number, at least {least}.")
        seconds: object = self.seconds
        if seconds is not None and (
            isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf
        ):
            raise InvalidArgument(f"seconds is {seconds!r}; it must be a number, more than 0.")


@dataclass(frozen=True)
class Search:
    """How points are chosen, and which trials are stopped before their last epoch.

    Args:
        algorithm: ``tpe`` (points near good ones are likelier), ``grid`` (every point) or ``random``.
        early_stopping: ``none``; ``median``: a trial whose best value so far is worse than the median of the others at
            the same epoch, once five have finished; ``hyperband``: successive halving.
    """

    algorithm: str = "tpe"
    early_stopping: str = "none"

    def __post_init__(self) -> None:
        for name, known in (("algorithm", ALGORITHMS), ("early_stopping", EARLY_STOPPING)):
            value = getattr(self, name)
            if value not in known:
                raise InvalidArgument(
                    f"There is no {name} {value!r}.", hint=nearest(str(value), known, "It is one of ")
                )


@dataclass(frozen=True, kw_only=True)
class Description:
    """A study.

    Attributes:
        request: what a trial trains, without the parameters that are searched; its seed is the study's.
        space: what is searched.
        goal: what makes a trial better.
        budget: when the study ends.
        search: how points are chosen.
        keep_models: how many trials keep model and checkpoints: the best ones.
        heartbeat_seconds: how often a running trial is marked as alive; after three missed marks it is taken for lost
            and begun again.
    """

    request: TrainRequest
    space: Space
    goal: Goal
    budget: Budget = field(default_factory=Budget)
    search: Search = field(default_factory=Search)
    keep_models: int = 1
    heartbeat_seconds: int = 10

    def __post_init__(self) -> None:
        for name in ("keep_models", "heartbeat_seconds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"{name} is {value!r}; it must be a whole number, at least 1.")
        request = self.request
        if request.workers > 1 or request.parameter_servers or request.strategy not in _STRATEGIES:
            raise InvalidArgument(
                "A trial trains in one process.", hint="--parallel trains several trials at once; leave --workers out"
            )
        twice = sorted(set(request.params) & set(self.space.parameters))
        if twice:
            raise InvalidArgument(
                f"{', '.join(twice)} is both given and searched.", hint="Leave it out of one of both."
            )
        request.to_json()
        if self.search.algorithm == "grid":
            self.space.size()

    @property
    def trials(self) -> int:
        """How many trials finish: the budget's, or a smaller grid's."""
        return min(self.budget.trials, self.space.size()) if self.search.algorithm == "grid" else self.budget.trials

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "schema": 1,
            "request": json.loads(self.request.to_json()),
            "space": self.space.as_json(),
            "goal": asdict(self.goal),
            "budget": asdict(self.budget),
            "search": asdict(self.search),
            "keep_models": self.keep_models,
            "heartbeat_seconds": self.heartbeat_seconds,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = STUDY_FILE) -> Description:
        """The description in a document; ``where`` names it in errors.

        Raises:
            InvalidArgument: it is none.
        """
        names = tuple(one.name for one in fields(cls))
        check_keys(document, ("schema", *names), where)
        for name in ("request", "space", "goal"):
            if not isinstance(document.get(name), Mapping):
                raise InvalidArgument(f"{where} has no {name}.")
        made: dict[str, Any] = {
            "request": TrainRequest.from_json(json.dumps(document["request"]), where),
            "space": Space(document["space"]),
        }
        for name, make in (("goal", Goal), ("budget", Budget), ("search", Search)):
            given = document.get(name, {})
            check_keys(given, tuple(one.name for one in fields(make)), f"{where}: {name}")
            made[name] = make(**given)
        made.update({name: document[name] for name in ("keep_models", "heartbeat_seconds") if name in document})
        return cls(**made)


def read_description(directory: str | os.PathLike[str]) -> Description:
    """The description of a study.

    Raises:
        NotFound: the directory holds none.
        InvalidArgument: what it holds is none.
    """
    path = Path(directory) / STUDY_FILE
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{directory} is no study: it has no {STUDY_FILE}.", hint="taxiway tune list") from None
    except ValueError as error:
        raise InvalidArgument(f"{path} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidArgument(f"{path} holds no JSON object.")
    return Description.from_json(document, str(path))


def write_description(directory: Path, description: Description) -> None:
    """Write the description into a study's directory, wholly or not at all; the same one again changes nothing.

    Raises:
        InvalidArgument: another study is there; the message names what differs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / STUDY_FILE
    if path.exists():
        before, wanted = read_description(directory).as_json(), description.as_json()
        differing = [name for name in wanted if before[name] != wanted[name]]
        if differing:
            raise InvalidArgument(
                f"{directory} is a study that was asked for something else: {', '.join(differing)}.",
                hint="Another --study-dir, or go on with this one: taxiway tune --resume STUDY",
            )
        return
    replace_text(path, json.dumps(description.as_json(), indent=2, ensure_ascii=False) + "\n")
