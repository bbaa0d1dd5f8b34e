"""A job and a declared space → the best of many trials, each of which is a run."""

from __future__ import annotations

from taxiway.tune.api import resume, tune
from taxiway.tune.description import Budget, Description, Goal, Search
from taxiway.tune.read import read_declaration
from taxiway.tune.space import Choice, Float, Int, Space
from taxiway.tune.study import Study, list_studies, open_study
from taxiway.tune.trials import Trial, TrialState
from taxiway.tune.vertex import from_vertex_parameters, to_vertex_study_spec, to_vertex_tuning_job

__all__ = [
    "Budget",
    "Choice",
    "Description",
    "Float",
    "Goal",
    "Int",
    "Search",
    "Space",
    "Study",
    "Trial",
    "TrialState",
    "from_vertex_parameters",
    "list_studies",
    "open_study",
    "read_declaration",
    "resume",
    "to_vertex_study_spec",
    "to_vertex_tuning_job",
    "tune",
]
