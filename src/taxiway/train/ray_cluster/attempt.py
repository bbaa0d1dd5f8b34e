"""One attempt of a run: the task that lets Ray Train place the ranks, and says how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from taxiway.train.cluster.failure import Exit, Failure, FailureKind, cause
from taxiway.train.ray_cluster.rank import MARK

__all__ = ["SETTINGS", "Ended", "conduct", "ended_of", "failure_of"]

# Ray Train's own: look often, print and export nothing, and give a placement that does not come up back to the driver,
# which waits with a deadline. Ray would ask again each minute for ever.
SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


@dataclass(frozen=True)
class Ended:
    """How one rank of a failed attempt ended, as plain text: a job's own exceptions need not be known elsewhere.

    Attributes:
        rank: its number; -1 where Ray failed before there were ranks.
        died: whether its process is gone, rather than that it raised.
        line: what it said, or Ray of it.
        wrong: whether the request is what is wrong.
    """

    rank: int
    died: bool
    line: str
    wrong: bool = False


def conduct(run_dir: str, token: str, workers: int, gpus: bool, storage: str) -> list[Ended]:
    """Train once; runs as a Ray task, so that ending it ends everything that Ray Train started.

    Returns:
        Nothing when every rank finished; otherwise the ranks that failed.
    """
    from ray.train.v2.api.config import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

    from taxiway.train.ray_cluster.backend import TfConfig
    from taxiway.train.ray_cluster.rank import train_rank

    trainer = DataParallelTrainer(
        train_rank,
        train_loop_config={"run_dir": run_dir, "token": token},
        backend_config=TfConfig(),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus, placement_strategy="SPREAD"),
        run_config=RunConfig(
            name="run",
            storage_path=storage,
            # Taxiway's own policy decides on what follows; it tells errors that repeat from deaths.
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0),
            worker_runtime_env={"env_vars": {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}},
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),  # type: ignore[arg-type] # the annotation is of Ray Train's first version
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        return [ended_of(rank, one) for rank, one in sorted(error.worker_failures.items())]
    except ControllerError as error:
        return [Ended(-1, died=True, line=_last_line(error.controller_failure))]
    return []


def ended_of(rank: int, error: BaseException) -> Ended:
    """How a rank ended, from the exception that Ray Train has of it."""
    # What a rank raised is a RankFailed, as it is or at the end of a traceback; anything else means that it is gone.
    line = _last_line(error)
    _, raised, text = line.partition(MARK)
    text = text.removeprefix(MARK)
    return Ended(rank, died=not raised, line=text.removeprefix("!") if raised else line, wrong=text.startswith("!"))


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def failure_of(ended: list[Ended]) -> Failure:
    """The cause of a failed attempt: a rank that died, else one that raised an error of its own, else any.

    Args:
        ended: the ranks that failed, at least one.
    """
    first = next((one for one in ended if one.rank < 0 or one.died), None)
    if first is not None:
        if first.rank < 0 and "ModuleNotFoundError" in first.line:
            said = f"every machine of the cluster needs the same Taxiway: {first.line}"
            return Failure(FailureKind.RAISED, "Ray", said)
        if first.rank < 0:
            return Failure(FailureKind.DIED, "Ray", f"could not start the ranks: {first.line}")
        return Failure(FailureKind.DIED, f"worker {first.rank}", "is gone: it was killed, or its machine was lost")
    return cause(tuple(Exit(f"worker {one.rank}", 1, one.line) for one in ended))
