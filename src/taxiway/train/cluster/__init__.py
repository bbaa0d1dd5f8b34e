"""Several processes that train one model: TF_CONFIG, and the launcher of the ranks of this machine."""

from __future__ import annotations

from taxiway.train.cluster.failure import Failure, FailureKind
from taxiway.train.cluster.launcher import Launch, Report, launch, worker_command
from taxiway.train.cluster.supervise import Policy
from taxiway.train.cluster.tf_config import (
    TF_CONFIG,
    Cluster,
    Task,
    parse_tf_config,
    task_from_environment,
    tf_config_text,
)

__all__ = [
    "Launch",
    "Policy",
    "Report",
    "launch",
    "worker_command",
    "Failure",
    "FailureKind",
    "Cluster",
    "Task",
    "TF_CONFIG",
    "parse_tf_config",
    "task_from_environment",
    "tf_config_text",
]
