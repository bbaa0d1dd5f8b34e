"""A study's database: Optuna's tables in one SQLite file, and its algorithms built from the declared space."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import FailedPrecondition
from taxiway.tune.description import Description
from taxiway.tune.space import Choice, Float, Space
from taxiway.tune.trials import Trial, TrialState

if TYPE_CHECKING:
    import optuna

__all__ = [
    "ERROR",
    "RETRY_OF",
    "WORKER",
    "distributions",
    "grid_points",
    "quiet",
    "steer",
    "store",
    "study",
    "trials_of",
]

DATABASE = "study.db"
# What Taxiway notes down with a trial.
ERROR, WORKER, RETRY_OF = "error", "worker", "retry_of"
MISSED_HEARTBEATS = 3
_LOCKED_SECONDS = 60
_NAME = "study"


def require_optuna() -> None:
    """Hold that Optuna is there.

    Raises:
        FailedPrecondition: it is not installed.
    """
    try:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    except ModuleNotFoundError:
        raise FailedPrecondition(
            "Tuning needs Optuna, which is not installed.", hint='pip install "taxiway[tune]"'
        ) from None


def store(directory: Path, description: Description) -> optuna.storages.RDBStorage:
    """The database in a directory; made when there is none."""
    require_optuna()
    import optuna
    import sqlalchemy

    with quiet():
        made = optuna.storages.RDBStorage(
            f"sqlite:///{(directory / DATABASE).resolve()}",
            engine_kwargs={"connect_args": {"timeout": _LOCKED_SECONDS}},
            heartbeat_interval=description.heartbeat_seconds,
            grace_period=MISSED_HEARTBEATS * description.heartbeat_seconds,
        )
    # Optuna commits some twenty times a trial. A log that is written ahead need not reach the disk each time to survive
    # a process that is killed; only the last moments before a power failure may be lost.
    sqlalchemy.event.listen(made.engine, "connect", _write_ahead)
    made.engine.dispose()
    return made


def _write_ahead(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def study(database: optuna.storages.RDBStorage, description: Description) -> optuna.Study:
    """The study in a database; made when there is none."""
    import optuna

    return optuna.create_study(
        study_name=_NAME,
        storage=database,
        direction="maximize" if description.goal.direction == "maximize" else "minimize",
        pruner=_pruner(description),
        load_if_exists=True,
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While Optuna does not warn that heartbeats are experimental and for its own loop only; ours marks trials too."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")
        yield


def distributions(space: Space) -> dict[str, Any]:
    """The space as Optuna says it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, one in space.parameters.items():
        if isinstance(one, Choice):
            found[name] = CategoricalDistribution(one.options)
        elif isinstance(one, Float):
            # The last value of the steps, not a greatest one between two of them, which Optuna would warn of.
            high = one.high if one.step is None else (one.values() or (one.high,))[-1]
            found[name] = FloatDistribution(one.low, high, log=one.log, step=one.step)
        else:
            found[name] = IntDistribution(one.low, one.values()[-1], log=one.log, step=one.step)
    return found


def steer(asked: optuna.Study, description: Description, number: int) -> None:
    """Have the study choose its next point by a sampler of that trial's own seed.

    What is chosen then depends on the seed, the number and the trials before it, not on which process asks, so that a
    study that is resumed goes on as it would have.
    """
    from optuna.samplers import RandomSampler, TPESampler

    seed = random.Random(f"{description.request.seed}/{number}").getrandbits(32)
    asked.sampler = TPESampler(seed=seed) if description.search.algorithm == "tpe" else RandomSampler(seed=seed)


def grid_points(description: Description) -> list[dict[str, Any]]:
    """The points of a grid search in their order; a part of them, drawn by the seed, when the budget is smaller."""
    points = list(description.space.grid())
    if description.trials + description.budget.max_failed >= len(points):
        return points
    return random.Random(description.request.seed).sample(points, len(points))


def trials_of(asked: optuna.Study, space: Space) -> list[Trial]:
    """Every trial, by number."""
    return [_trial(one, space) for one in asked.get_trials(deepcopy=False)]


def _pruner(description: Description) -> Any:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if description.search.early_stopping == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    if description.search.early_stopping == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=description.request.epochs)
    return NopPruner()


def _trial(one: optuna.trial.FrozenTrial, space: Space) -> Trial:
    from optuna.trial import TrialState as Theirs

    error = one.user_attrs.get(ERROR)
    state = {
        Theirs.WAITING: TrialState.WAITING,
        Theirs.RUNNING: TrialState.RUNNING,
        Theirs.COMPLETE: TrialState.COMPLETE,
        Theirs.PRUNED: TrialState.STOPPED,
        Theirs.FAIL: TrialState.LOST if error is None else TrialState.FAILED,
    }[one.state]
    return Trial(
        number=one.number,
        state=state,
        params=space.cast(one.params),
        value=one.value if state in (TrialState.COMPLETE, TrialState.STOPPED) else None,
        epochs=dict(one.intermediate_values),
        seconds=round(one.duration.total_seconds(), 3) if one.duration is not None else None,
        error=error,
        retry_of=tuple(one.user_attrs.get(RETRY_OF, ())),
        worker=one.user_attrs.get(WORKER),
    )
