"""What a study found: its trials, best first, and how much each parameter mattered."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from taxiway.tune import storage
from taxiway.tune.claim import Ledger
from taxiway.tune.trials import TrialState, ranked

if TYPE_CHECKING:
    from taxiway.tune.study import Study

__all__ = ["importance", "report"]

# Fewer say nothing.
MIN_TRIALS = 4
_TREES, _SEED = 128, 0


def report(study: Study) -> dict[str, Any]:
    """The study as its commands print it, with ``all`` trials, best first, and ``importance`` by parameter."""
    trials = study.trials
    order = [one.number for one in ranked(trials, study.description.goal)]
    rest = [one.number for one in trials if one.number not in order]
    return {
        **study.as_json(),
        "all": [trials[number].as_json() for number in order + rest],
        "importance": importance(study),
    }


def importance(study: Study) -> dict[str, float]:
    """How much of the order of the trials each parameter explains, the greatest first; the parts add up to 1.

    By functional ANOVA over a forest of regression trees (Hutter, Hoos, Leyton-Brown 2014) of complete trials' ranks:
    one trial that went very wrong would decide alone if it were of their values. Empty while there are fewer than four
    of them or all have the same value.
    """
    with contextlib.closing(Ledger(study.path)) as ledger:
        complete = [one for one in ledger.trials() if one.state is TrialState.COMPLETE]
        if len(complete) < MIN_TRIALS or len({one.value for one in complete}) < 2:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        values = sorted({one.value for one in complete if one.value is not None})
        ranks = {one.number: float(values.index(one.value)) for one in complete if one.value is not None}
        with storage.quiet():
            found = get_param_importances(
                ledger.study,
                evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=_SEED),
                target=lambda one: ranks[one.number],
            )
    return {name: round(float(part), 6) for name, part in found.items()}
