"""Which process of a job this is, and which strategy its devices allow: checked before anything is built."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.train.cluster.serving import await_servers, ended_if_late
from taxiway.train.cluster.tf_config import TF_CONFIG, Cluster, task_from_environment
from taxiway.train.request import TrainRequest

__all__ = ["ALONE", "CLUSTERS", "Place", "chosen_devices", "place_of", "resolved_strategy", "start_strategy"]

CLUSTERS = frozenset({"multi-worker", "parameter-server"})
_DEVICE = re.compile(r"[A-Z]+:\d+")


@dataclass(frozen=True)
class Place:
    """One process among those of a job.

    Attributes:
        role: ``chief``, ``worker`` or ``ps``.
        rank: among the processes that train, chief first.
        world: how many train.
    """

    role: str = "chief"
    rank: int = 0
    world: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory."""
        return self.rank == 0 and self.role != "ps"


ALONE = Place()


def place_of(environment: Mapping[str, str] | None = None) -> Place:
    """The place that TF_CONFIG gives this process; alone without.

    Raises:
        InvalidArgument: TF_CONFIG does not say which process this is.
    """
    task = task_from_environment(environment)
    if task is None:
        return ALONE
    if task.cluster.ps:
        # One process trains; those that it computes on do not know the job.
        return Place(task.type, task.index, 1)
    chiefs, workers = len(task.cluster.chief), len(task.cluster.worker)
    return Place(task.type, task.index + chiefs if task.type == "worker" else task.index, chiefs + workers)


def resolved_strategy(request: TrainRequest, gpus: int, in_cluster: bool) -> str:
    """What ``auto`` is here; any other name as it is, if the request fits it.

    Raises:
        InvalidArgument: the request asks for processes or devices that the strategy does not have.
    """
    name = request.strategy
    if name == "auto":
        many = request.workers > 1 or in_cluster
        if request.parameter_servers:
            name = "parameter-server"
        else:
            name = "multi-worker" if many else "mirrored" if max(gpus, len(request.devices)) > 1 else "one-device"
    if name not in CLUSTERS and request.workers > 1:
        raise InvalidArgument(
            f"{name} trains in one process; {request.workers} workers were asked for.", hint="--strategy multi-worker"
        )
    if name != "parameter-server" and request.parameter_servers:
        raise InvalidArgument(f"{name} has no parameter servers.", hint="--strategy parameter-server")
    if name in CLUSTERS and request.devices:
        raise InvalidArgument(
            f"{name} trains on what each of its processes sees; devices are not named.", hint="--set visible_gpus=0,1"
        )
    if name == "one-device" and len(request.devices) > 1:
        raise InvalidArgument(
            f"one-device trains on one device; {len(request.devices)} were named.", hint="--strategy mirrored"
        )
    return name


def chosen_devices(name: str, wanted: Sequence[str], available: Sequence[str]) -> tuple[str, ...]:
    """The devices a strategy of one process trains on, as ``CPU:0``.

    Args:
        name: the strategy.
        wanted: as asked for; none for what fits.
        available: the logical devices there are, as ``CPU:0``.

    Raises:
        NotFound: one is not there. TensorFlow would build a mirrored strategy on it and then wait for ever.
        InvalidArgument: one is named twice, or is no name of a device.
    """
    named = tuple(one.upper().removeprefix("/").removeprefix("DEVICE:") for one in wanted)
    if odd := [one for one in named if not _DEVICE.fullmatch(one)]:
        raise InvalidArgument(f"{', '.join(odd)} is no name of a device.", hint="Such as CPU:0 or GPU:1.")
    if len(set(named)) < len(named):
        raise InvalidArgument(f"A device is named twice: {', '.join(named)}.")
    missing = [one for one in named if one not in available]
    if missing:
        only_cpus = all(one.startswith("CPU") for one in missing)
        advice = f"--set logical_cpus={max(map(_number, missing)) + 1} divides it." if only_cpus else "taxiway devices"
        raise NotFound(f"There is no device {', '.join(missing)}.", hint=f"There is {', '.join(available)}; {advice}")
    if named:
        return named
    gpus = tuple(one for one in available if one.startswith("GPU"))
    cpus = tuple(one for one in available if one.startswith("CPU"))
    return (gpus or cpus)[:1] if name == "one-device" else gpus or cpus


def _number(device: str) -> int:
    return int(device.partition(":")[2])


def start_strategy(name: str, request: TrainRequest) -> Any:
    """The ``tf.distribute`` strategy of that name.

    Raises:
        NotFound: a device is not there.
        FailedPrecondition: there is no TPU, or no cluster.
        DeadlineExceeded: a rank that the chief needs does not listen.
        InvalidArgument: the global batch does not divide among the replicas.
    """
    import tensorflow as tf

    if name == "parameter-server":
        return _parameter_servers()
    if not os.environ.get(TF_CONFIG, "x"):
        # TensorFlow takes an empty one for broken JSON.
        del os.environ[TF_CONFIG]
    if name == "multi-worker":
        strategy = _multi_worker()
    elif name == "tpu":
        strategy = _tpu()
    else:
        logical = [f"{one.device_type}:{one.name.rpartition(':')[2]}" for one in tf.config.list_logical_devices()]
        devices = chosen_devices(name, request.devices, logical)
        check_batch(request.global_batch, len(devices))
        if name == "one-device":
            strategy = tf.distribute.OneDeviceStrategy(f"/{devices[0]}")
        elif name == "mirrored":
            strategy = tf.distribute.MirroredStrategy([f"/{one}" for one in devices])
        else:
            strategy = tf.distribute.experimental.CentralStorageStrategy(
                compute_devices=[f"/{one}" for one in devices], parameter_device="/CPU:0"
            )
    check_batch(request.global_batch, strategy.num_replicas_in_sync)
    return strategy


def check_batch(global_batch: int, replicas: int) -> None:
    """Hold a batch to whole rows on each replica; an uneven one trains to other weights.

    Raises:
        InvalidArgument: it does not divide.
    """
    if global_batch % replicas:
        near = max(global_batch // replicas, 1) * replicas
        raise InvalidArgument(
            f"A global batch of {global_batch} rows does not divide among {replicas} replicas.",
            hint=f"--global-batch {near}",
        )


def _multi_worker() -> Any:
    import tensorflow as tf

    task = task_from_environment()
    with ended_if_late(Cluster() if task is None else task.cluster):
        return tf.distribute.MultiWorkerMirroredStrategy()


def _parameter_servers() -> Any:
    import tensorflow as tf

    task = task_from_environment()
    if task is None or task.type != "chief" or not task.cluster.ps:
        raise FailedPrecondition(
            "This process is not the chief of a cluster with parameter servers.",
            hint="taxiway train JOB --strategy parameter-server --workers 2 --parameter-servers 1",
        )
    await_servers(task.cluster)
    return tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())


def _tpu() -> Any:
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, tf.errors.OpError) as error:
        sentence = str(error).splitlines()[0]
        raise FailedPrecondition(
            f"There is no TPU here: {sentence}", hint="Run on a TPU VM, or name one by TPU_NAME; or another --strategy."
        ) from None
