"""Whether a cluster can hold a run, and what follows from a failed attempt. Nothing here acts or looks."""

from __future__ import annotations

from collections.abc import Sequence

from taxiway.errors import FailedPrecondition, Internal, InvalidArgument, TaxiwayError, Unavailable
from taxiway.train.cluster.failure import Failure
from taxiway.train.cluster.supervise import Policy
from taxiway.train.request import TrainRequest

__all__ = ["check_request", "end_of", "shortage", "wants_gpus"]


def check_request(request: TrainRequest) -> None:
    """Refuse what Ray's ranks do not do.

    Raises:
        InvalidArgument: parameter servers, or a batch that does not divide among the workers.
    """
    from taxiway.train.place import check_batch

    if request.strategy == "parameter-server" or request.parameter_servers:
        raise InvalidArgument(
            "Parameter servers are not started on Ray.", hint="--strategy multi-worker, or --on local"
        )
    if request.strategy in ("auto", "multi-worker"):
        check_batch(request.global_batch, request.workers)


def wants_gpus(workers: int, gpus: float) -> bool:
    """Whether each worker gets a GPU: when there is one for each, of ``gpus`` in the cluster."""
    return gpus >= workers


def shortage(workers: int, cpus: float) -> TaxiwayError | None:
    """Why a cluster of ``cpus`` CPUs in all cannot hold the workers; None when it can."""
    if cpus >= workers:
        return None
    return FailedPrecondition(
        f"{workers} workers need {workers} {'CPU' if workers == 1 else 'CPUs'}; the cluster has {cpus:g}.",
        hint="ray start --address=HEAD:PORT on another machine, or fewer --workers. A cluster that grows on demand "
        "must have grown first.",
    )


def end_of(failures: Sequence[Failure], policy: Policy, wrong: bool, log: str) -> TaxiwayError | None:
    """The error that ends a run after these failed attempts; None when all ranks start again.

    Args:
        failures: the cause of each attempt so far, at least one.
        policy: how often they may start again.
        wrong: whether it is the request that is wrong.
        log: where the output of the last failure's rank is.
    """
    last, hint = failures[-1], f"Its output is in {log}."
    if not last.may_pass:
        return (InvalidArgument if wrong else Internal)(last.sentence, hint=hint)
    restarts = len(failures) - 1
    if restarts >= policy.max_restarts:
        times = "no restart" if restarts == 0 else "1 restart" if restarts == 1 else f"{restarts} restarts"
        return Unavailable(f"{last.sentence} That was after {times}.", hint=hint)
    return None
