"""A study as Vertex AI describes one. Pure functions to and from the JSON form of its messages; nothing is sent.

    google.cloud.aiplatform.v1.StudySpec                 to_vertex_study_spec
    google.cloud.aiplatform.v1.HyperparameterTuningJob   to_vertex_tuning_job
    google.cloud.aiplatform.v1.Trial.parameters          from_vertex_parameters

======================  =============================================
Taxiway                 Vertex
======================  =============================================
Float, with log         doubleValueSpec, with UNIT_LOG_SCALE
Float with step         discreteValueSpec
Int, with log           integerValueSpec, with UNIT_LOG_SCALE
Int with step           discreteValueSpec
Choice of texts         categoricalValueSpec
Choice of numbers       discreteValueSpec, in increasing order
tpe, grid, random       ALGORITHM_UNSPECIFIED, GRID_SEARCH, RANDOM_SEARCH
median                  medianAutomatedStoppingSpec
trials, max_failed + 1  maxTrialCount, maxFailedTrialCount
======================  =============================================
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.tune.description import Description
from taxiway.tune.space import Choice, Float, Int, Parameter, Space

__all__ = ["from_vertex_parameters", "to_vertex_study_spec", "to_vertex_tuning_job"]

MAX_DISCRETE = 1000
# What study.proto asks of the values of a list.
_LEAST_DISTANCE = 1e-10
_ALGORITHMS = {"tpe": "ALGORITHM_UNSPECIFIED", "grid": "GRID_SEARCH", "random": "RANDOM_SEARCH"}


def to_vertex_study_spec(description: Description) -> dict[str, Any]:
    """The StudySpec of a study, in protobuf's JSON form.

    Raises:
        InvalidArgument: Vertex has no such thing; the message names it.
    """
    goal = description.goal
    spec: dict[str, Any] = {
        "metrics": [{"metricId": goal.metric, "goal": goal.direction.upper()}],
        "parameters": [_parameter(name, one) for name, one in description.space.parameters.items()],
        "algorithm": _ALGORITHMS[description.search.algorithm],
        # A trial's value is that of its last epoch.
        "measurementSelectionType": "LAST_MEASUREMENT",
    }
    if description.search.early_stopping == "hyperband":
        raise InvalidArgument("Vertex AI has no Hyperband.", hint="--early-stopping median, or none")
    if description.search.early_stopping == "median":
        # By epochs, which are the measurements' step counts, not by time.
        spec["medianAutomatedStoppingSpec"] = {"useElapsedDuration": False}
    return spec


def to_vertex_tuning_job(description: Description, name: str, parallel: int = 1) -> dict[str, Any]:
    """The HyperparameterTuningJob of a study, in protobuf's JSON form, without the container that trains a trial.

    Args:
        description: of the study.
        name: what the job is called.
        parallel: how many trials run at a time.

    Raises:
        InvalidArgument: Vertex has no such thing.
    """
    if description.budget.seconds is not None:
        raise InvalidArgument("Vertex AI ends a study by trials, not by time.", hint="Leave seconds out.")
    return {
        "displayName": name,
        "studySpec": to_vertex_study_spec(description),
        "maxTrialCount": description.trials,
        "parallelTrialCount": parallel,
        # Vertex counts the failures that end the job, and takes 0 for a number of its own.
        "maxFailedTrialCount": description.budget.max_failed + 1,
    }


def from_vertex_parameters(space: Space, parameters: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of a Vertex trial as the job gets them: whole numbers whole, choices as declared.

    Args:
        space: as declared.
        parameters: ``[{"parameterId": "rate", "value": 0.01}, …]``, a trial's own.

    Raises:
        InvalidArgument: one is not of the space, or has a value that the space does not have.
    """
    suggested = {}
    for one in parameters:
        name, value = one["parameterId"], one["value"]
        parameter = space.parameters.get(name)
        if parameter is None:
            raise InvalidArgument(f"The space has no parameter {name}.", hint=f"It has {', '.join(space.parameters)}.")
        suggested[name] = _cast(name, parameter, value)
    return space.cast(suggested)


def _cast(name: str, parameter: Parameter, value: Any) -> Any:
    if isinstance(parameter, Float) and parameter.step is None:
        return float(value)
    if isinstance(parameter, Int):
        return round(float(value))
    values = parameter.values() or ()
    if isinstance(value, str):
        found = [one for one in values if one == value]
    else:
        found = [one for one in values if not isinstance(one, str) and abs(one - value) <= 1e-9 * max(1.0, abs(value))]
    if not found:
        raise InvalidArgument(f"{name} cannot be {value!r}.", hint=f"It is one of {', '.join(map(str, values))}.")
    return found[0]


def _parameter(name: str, one: Parameter) -> dict[str, Any]:
    if isinstance(one, Choice):
        return {"parameterId": name, **_choice(name, one)}
    linear = "UNIT_LOG_SCALE" if one.log else "UNIT_LINEAR_SCALE"
    if isinstance(one, Float) and one.step is None:
        return {
            "parameterId": name,
            "scaleType": linear,
            "doubleValueSpec": {"minValue": one.low, "maxValue": one.high},
        }
    if isinstance(one, Int) and one.step == 1:
        # Protobuf's JSON writes 64-bit numbers as texts.
        bounds = {"minValue": str(one.low), "maxValue": str(one.high)}
        return {"parameterId": name, "scaleType": linear, "integerValueSpec": bounds}
    return {"parameterId": name, "scaleType": linear, "discreteValueSpec": {"values": _discrete(name, one.values())}}


def _choice(name: str, one: Choice) -> dict[str, Any]:
    kinds = {_kind(value) for value in one.options}
    if kinds == {"text"}:
        return {"categoricalValueSpec": {"values": list(one.options)}}
    if kinds == {"number"}:
        return {"discreteValueSpec": {"values": _discrete(name, one.options)}}
    odd = next((value for value in one.options if _kind(value) == "other"), None)
    if "other" in kinds:
        raise InvalidArgument(
            f"Vertex AI has no place for {odd!r}, a value of {name}.", hint='Texts such as "yes" and "no", or numbers.'
        )
    raise InvalidArgument(f"{name} chooses from texts and numbers; Vertex AI takes one or the other.")


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "other"
    return "text" if isinstance(value, str) else "number"


def _discrete(name: str, values: Iterable[Any] | None) -> list[float]:
    ordered = sorted(float(value) for value in values or ())
    if len(ordered) > MAX_DISCRETE:
        raise InvalidArgument(
            f"{name} has {len(ordered):,} values; Vertex AI takes {MAX_DISCRETE:,}.", hint="A larger step, or none."
        )
    if any(high - low < _LEAST_DISTANCE for low, high in itertools.pairwise(ordered)):
        raise InvalidArgument(
            f"{name} has values less than {_LEAST_DISTANCE} apart, which Vertex AI cannot tell apart."
        )
    return ordered
