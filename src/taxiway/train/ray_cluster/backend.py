"""TF_CONFIG for Ray Train's worker group.

Ray has a backend for this too; importing it imports TensorFlow, in processes that only watch others as well, and it
sets TF_USE_LEGACY_KERAS, which turns Keras 3 off.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig

from taxiway.train.cluster.tf_config import TF_CONFIG, Cluster, Task, tf_config_text

__all__ = ["TfConfig"]


class _TfConfigBackend(Backend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Tell every rank the addresses of all."""
        cluster = Cluster(worker=tuple(worker_group.execute(_address)))
        ray.get(
            [
                worker_group.execute_single_async(index, _told, tf_config_text(Task("worker", index, cluster)))
                for index in range(len(cluster.worker))
            ]
        )


@dataclass
class TfConfig(BackendConfig):
    """The backend that sets TF_CONFIG and nothing else."""

    @property
    def backend_cls(self) -> type[Backend]:
        """Whose hooks Ray Train calls."""
        return _TfConfigBackend


def _address() -> str:
    """Where the rank that this runs on can be reached by the others."""
    host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.bind((host, 0))
        port = one.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(tf_config: str) -> None:
    os.environ[TF_CONFIG] = tf_config
