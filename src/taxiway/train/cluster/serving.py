"""The ranks that a chief computes on: workers and parameter servers, which serve until it is gone."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

from taxiway.errors import DeadlineExceeded, Unavailable
from taxiway.train.cluster.ports import listens
from taxiway.train.cluster.tf_config import Cluster, Task

__all__ = ["START_SECONDS", "await_servers", "ended_if_late", "serve", "watch_chief"]

# Platforms start the ranks of a cluster minutes apart, when images have to be pulled.
START_SECONDS = 300.0
_LOOK_SECONDS = 1.0
# One probe may be lost on a busy network; this many in a row are not.
_MISSES = 5


def serve(task: Task, finished: Callable[[], bool]) -> None:
    """Let the chief of this task's cluster compute here, until it is gone.

    Args:
        task: a worker or a parameter server.
        finished: whether the run was finished, asked once the chief is gone.

    Raises:
        DeadlineExceeded: the chief never came.
        Unavailable: it went away before the run was finished.
    """
    import tensorflow as tf

    cluster = task.cluster.as_json()
    # Kept for as long as this function runs: the server ends with the object.
    server = tf.distribute.Server(
        tf.train.ClusterSpec(cluster), job_name=task.type, task_index=task.index, protocol="grpc"
    )
    chief = Task("chief", 0, task.cluster)
    watch_chief(chief, lambda: listens(chief.address), finished)
    del server


def watch_chief(
    chief: Task, there: Callable[[], bool], finished: Callable[[], bool], pause: Callable[[float], None] = time.sleep
) -> None:
    """Return when the chief came and went and the run is finished.

    Args:
        chief: for messages.
        there: whether it listens.
        finished: whether the run was finished.
        pause: waits for a number of seconds.

    Raises:
        DeadlineExceeded: it never came, within :data:`START_SECONDS`.
        Unavailable: it went away before the run was finished.
    """
    looks = 0
    while not there():
        looks += 1
        if looks * _LOOK_SECONDS > START_SECONDS:
            raise DeadlineExceeded(
                f"{chief.name} did not listen at {chief.address} within {START_SECONDS:g} seconds.",
                hint="Is it started, with the same TF_CONFIG cluster?",
            )
        pause(_LOOK_SECONDS)
    misses = 0
    while misses < _MISSES:
        pause(_LOOK_SECONDS)
        misses = 0 if there() else misses + 1
    if not finished():
        raise Unavailable(
            f"This rank lost its peer {chief.name}, and the run is not finished.",
            hint="Start every rank again: the run goes on from its last checkpoint.",
        )


def await_servers(
    cluster: Cluster,
    listening: Callable[[str], bool] = listens,
    pause: Callable[[float], None] = time.sleep,
    seconds: float = START_SECONDS,
) -> None:
    """Wait until every worker and parameter server listens; TensorFlow's own connecting fails now and then before.

    Raises:
        DeadlineExceeded: some do not within ``seconds``; the message names them.
    """
    waiting = [task for task in cluster.tasks() if task.type in ("worker", "ps")]
    waited = 0.0
    while waiting := [task for task in waiting if not listening(task.address)]:
        if waited >= seconds:
            late = ", ".join(f"{task.name} ({task.address})" for task in waiting)
            raise DeadlineExceeded(
                f"Not every rank listened within {seconds:g} seconds: {late} did not.",
                hint="Are they started, with the same TF_CONFIG cluster?",
            )
        waited += _LOOK_SECONDS
        pause(_LOOK_SECONDS)


@contextlib.contextmanager
def ended_if_late(cluster: Cluster, seconds: float = START_SECONDS) -> Iterator[None]:
    """End this process, with a sentence, when the block takes longer than ``seconds``.

    TensorFlow waits for ever for a rank that never starts, deaf to signals, and cannot be told to stop.
    """

    def give_up() -> None:
        missing = [f"{task.name} ({task.address})" for task in cluster.tasks() if not listens(task.address)]
        who = ", ".join(missing) if missing else "one of them"
        print(f"error: Not every rank started within {seconds:g} seconds: {who} did not.", file=sys.stderr)
        print("hint: Are they started, with the same TF_CONFIG cluster?", file=sys.stderr, flush=True)
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
