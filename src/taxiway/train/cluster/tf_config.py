"""TF_CONFIG: who is in the cluster, at which address, and which of them this process is.

TensorFlow reads it too, but answers a mistake with a raw decoding error, a hang, or by quietly training alone; so
Taxiway reads it first and says what is wrong in one sentence.

    {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 1}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taxiway.errors import InvalidArgument

__all__ = ["TASK_TYPES", "TF_CONFIG", "Cluster", "Task", "parse_tf_config", "task_from_environment", "tf_config_text"]

TF_CONFIG = "TF_CONFIG"
# In the order in which ranks are listed. An evaluator stands beside a cluster and has no rank in it.
TASK_TYPES = ("chief", "worker", "ps", "evaluator")
_HINT = (
    'TF_CONFIG looks like {"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}.'
)
MAX_PORT = 65535


@dataclass(frozen=True)
class Cluster:
    """The addresses of a cluster, ``host:port``, by the type of their task."""

    chief: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    ps: tuple[str, ...] = ()
    evaluator: tuple[str, ...] = ()

    def addresses(self, type: str) -> tuple[str, ...]:
        """The addresses of one type of :data:`TASK_TYPES`."""
        found: tuple[str, ...] = getattr(self, type)
        return found

    def as_json(self) -> dict[str, list[str]]:
        """What TF_CONFIG holds under ``cluster``: the types that are there."""
        return {type: list(self.addresses(type)) for type in TASK_TYPES if self.addresses(type)}

    def tasks(self) -> tuple[Task, ...]:
        """Every task, chief first."""
        return tuple(Task(type, index, self) for type in TASK_TYPES for index in range(len(self.addresses(type))))


@dataclass(frozen=True, order=True)
class Task:
    """One process of a cluster."""

    type: str
    index: int
    cluster: Cluster = field(compare=False, repr=False, default=Cluster())

    @property
    def name(self) -> str:
        """``worker 1``, as messages and log prefixes say it."""
        return f"{self.type} {self.index}"

    @property
    def address(self) -> str:
        """Where this task listens; an evaluator that the cluster does not list has no address."""
        return self.cluster.addresses(self.type)[self.index]

    @property
    def is_chief(self) -> bool:
        """Whether this task writes what only one may write: the chief, or the first worker where there is none."""
        return self.type == "chief" or (self.type == "worker" and self.index == 0 and not self.cluster.chief)


def tf_config_text(task: Task) -> str:
    """TF_CONFIG for one task, as the environment holds it."""
    return json.dumps({"cluster": task.cluster.as_json(), "task": {"type": task.type, "index": task.index}})


def task_from_environment(environment: Mapping[str, str] | None = None) -> Task | None:
    """Which task this process is, by TF_CONFIG; None where it is not set or names no cluster.

    Raises:
        InvalidArgument: TF_CONFIG is set and wrong.
    """
    text = (os.environ if environment is None else environment).get(TF_CONFIG, "").strip()
    # Managed platforms set a TF_CONFIG without a cluster for jobs of one machine.
    if not text or text == "{}":
        return None
    return parse_tf_config(text) if _document(text).get("cluster") else None


def parse_tf_config(text: str) -> Task:
    """The task that a TF_CONFIG describes.

    Keys beside ``cluster`` and ``task`` are left alone: platforms add their own (``environment``, ``job``).

    Raises:
        InvalidArgument: no JSON, no cluster, no task, an unknown type, an index outside its list, or two tasks at one
            address; each in one sentence.
    """
    document = _document(text)
    cluster = _cluster(document.get("cluster"))
    task = document.get("task")
    if not isinstance(task, dict):
        raise _wrong("TF_CONFIG does not say which task this process is.")
    return _task(task, cluster)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _wrong(f"TF_CONFIG is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise _wrong("TF_CONFIG is not a JSON object.")
    return document


def _cluster(value: object) -> Cluster:
    if not isinstance(value, dict) or not value:
        raise _wrong("TF_CONFIG names no cluster.")
    for type, addresses in value.items():
        if type not in TASK_TYPES:
            raise _wrong(f"TF_CONFIG names tasks of type {type!r}; the types are {', '.join(TASK_TYPES)}.")
        if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
            raise _wrong(f"TF_CONFIG's cluster must list the addresses of {type} tasks as strings.")
    cluster = Cluster(**{type: tuple(addresses) for type, addresses in value.items()})
    if len(cluster.chief) > 1:
        raise _wrong(f"TF_CONFIG names {len(cluster.chief)} chiefs; a cluster has one.")
    if not cluster.chief and not cluster.worker:
        raise _wrong("TF_CONFIG's cluster has neither a chief nor a worker.")
    _check_addresses(cluster)
    return cluster


def _check_addresses(cluster: Cluster) -> None:
    seen: dict[str, Task] = {}
    for task in cluster.tasks():
        host, colon, port = task.address.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
            raise _wrong(f"TF_CONFIG's address of {task.name} is {task.address!r}, which is not host:port.")
        other = seen.setdefault(task.address, task)
        if other is not task:
            raise _wrong(f"TF_CONFIG gives {other.name} and {task.name} the same address, {task.address}.")


def _task(value: dict[str, Any], cluster: Cluster) -> Task:
    type, index = value.get("type"), value.get("index")
    if type is None:
        raise _wrong("TF_CONFIG's task has no type.")
    if type not in TASK_TYPES:
        raise _wrong(f"TF_CONFIG's task is of type {type!r}; the types are {', '.join(TASK_TYPES)}.")
    if index is None:
        raise _wrong("TF_CONFIG's task has no index.")
    if isinstance(index, str) and index.isascii() and index.isdecimal():
        index = int(index)  # Some platforms write it as a string.
    if not isinstance(index, int) or isinstance(index, bool):
        raise _wrong(f"TF_CONFIG's task index is {index!r}, which is not a number.")
    count = len(cluster.addresses(type))
    # An evaluator need not be listed: nobody in the cluster talks to it.
    listed = count > 0 or type != "evaluator"
    if listed and not 0 <= index < count:
        raise _wrong(f"TF_CONFIG's task is {type} {index}, but its cluster has {count} of type {type}.")
    return Task(type, index, cluster)


def _wrong(sentence: str) -> InvalidArgument:
    return InvalidArgument(sentence, hint=_HINT)
