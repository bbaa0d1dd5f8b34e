"""From TensorFlow Serving's options to the control plane's settings. Pure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from taxiway.serve.tfserving.channel import read_channel
from taxiway.serve.tfserving.model_config import Logging, ModelEntry, VersionPolicy
from taxiway.serve.tfserving.options import ServerOptions
from taxiway.serve.tfserving.platform import Batching, Platform, batching_of_version
from taxiway.settings import Batching as Gathering
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.settings.table import Policy
from taxiway.types import JsonObject

__all__ = ["Spec", "model_settings", "server_settings", "spec_by_platform"]

Spec = Callable[[str, int, str, ModelSettings], JsonObject]
"""Makes the document for one load from a model's name, a version, its path and the model's settings."""

# gRPC's own largest message; TensorFlow Serving sets no limit on bodies, and what it took must be taken here.
_LARGEST_BYTES = 2**31 - 1
_FOREVER_MS = 2**31 - 1
_OFF = -1
_LOG_FILE_BYTES = 64 << 20
_LOG_FILES = 16
_LOG_QUEUE_RECORDS = 1024


def server_settings(options: ServerOptions) -> ServerSettings:
    """The settings of the process."""
    listen, loading, behaviour = options.listen, options.loading, options.behaviour
    batching = [one.batching for one in options.platforms.values() if one.batching is not None]
    settings = ServerSettings(
        host=listen.host,
        rest_port=listen.rest_port or _OFF,
        grpc_port=listen.grpc_port or _OFF,
        grpc_socket=listen.grpc_socket_path or "",
        grpc_health=options.observe.health,
        grpc_profiler=options.observe.profiler,
        admin_port=_OFF,
        state="",
        drain_seconds=behaviour.drain_seconds,
        load_threads=loading.load_threads or max(os.cpu_count() or 1, 2),
        # Shared by all models; of several platforms the one that asks for most decides.
        batch_threads=max((one.threads for one in batching), default=0),
        load_attempts=loading.max_retries + 1,
        retry_first_seconds=loading.retry_interval_seconds,
        retry_longest_seconds=loading.retry_interval_seconds,
        max_body_bytes=_LARGEST_BYTES,
        max_tensor_bytes=_LARGEST_BYTES,
        request_timeout_ms=listen.rest_timeout_ms if listen.rest_timeout_ms > 0 else _FOREVER_MS,
        # There, only a client limits a call over gRPC.
        grpc_timeout_ms=_FOREVER_MS,
        cors=listen.cors,
        model_list=listen.model_list,
        artifacts=False,
        tensor_content=behaviour.tensor_content,
        method_name_check=behaviour.check_method_names,
        prometheus_path=options.observe.prometheus_path or "",
        batch_thread_pool=next((one.thread_pool_name for one in batching), ServerSettings.batch_thread_pool),
    )
    asked: dict[str, Any] = dict(read_channel(listen.grpc_channel_arguments).settings)
    return dataclasses.replace(settings, **asked)


def model_settings(entry: ModelEntry, platforms: Mapping[str, Platform]) -> ModelSettings:
    """The settings of one model. A replaced version is not kept: there it is gone, and asked for, not found."""
    platform = platforms[entry.platform]
    return ModelSettings(
        source=entry.base_path,
        versions=_policy(entry.policy),
        tags=platform.tags,
        batching=_gathering(None if platform.batching_per_model else platform.batching),
        labels=dict(entry.labels),
        warm_up=platform.warm_up.enabled,
        warm_up_iterations=platform.warm_up.iterations,
        keep_previous=0,
        keep_previous_seconds=0.0,
    )


def _gathering(batching: Batching | None) -> Gathering:
    """Batching parameters as the settings have them, where the last allowed size must be the most rows of a run."""
    if batching is None:
        return Gathering()
    most = batching.max_execution_batch_rows
    allowed = batching.allowed_batch_rows
    return Gathering(
        max_batch_size=batching.max_batch_rows,
        batch_timeout_micros=batching.batch_timeout_micros,
        max_enqueued_batches=batching.max_enqueued_batches,
        allowed_batch_sizes=(*(rows for rows in allowed if rows < most), most) if allowed else (),
        pad_variable_length_inputs=batching.pad_variable_length_inputs,
        enable_large_batch_splitting=batching.split_large_batches,
        max_execution_batch_size=most if batching.split_large_batches else 0,
    )


def _policy(policy: VersionPolicy) -> Policy:
    if policy.kind == "specific":
        return Policy(latest=None, numbers=policy.versions)
    return Policy(latest=None) if policy.kind == "all" else Policy(latest=policy.count)


def _request_log(logging: Logging | None) -> JsonObject | None:
    """A model's request log; limits on files and queue are ours, TensorFlow Serving's config has none."""
    if logging is None:
        return None
    limits = {"max_file_bytes": _LOG_FILE_BYTES, "max_files": _LOG_FILES, "queue_records": _LOG_QUEUE_RECORDS}
    return {"prefix": logging.filename_prefix, "sampling_rate": logging.rate, **limits}


def spec_by_platform(
    spec: Spec, platform_of: Callable[[str], Platform], logging_of: Callable[[str], Logging | None]
) -> Spec:
    """``spec`` with the session and the choice of engine of each model's platform, and each version's own batching.

    What it returns raises INVALID_ARGUMENT when a version's batching parameters are wrong: that version fails to load.
    """

    def by_platform(name: str, version: int, path: str, model: ModelSettings) -> JsonObject:
        platform = platform_of(name)
        if platform.batching_per_model:
            model = dataclasses.replace(model, batching=_gathering(batching_of_version(Path(path))))
        lite = platform.tflite.preferred and Path(path, "model.tflite").is_file()
        return {
            **spec(name, version, path, model),
            # TensorFlow Serving measures nothing: the flag decides.
            "engine": "prefer_tflite" if lite else "prefer_tensorflow" if model.engine == "auto" else model.engine,
            "shown": [],
            # Soft placement always: a model that was saved on GPUs must serve on a machine without.
            "request_log": _request_log(logging_of(name)),
            "session": {**dataclasses.asdict(platform.session), "allow_soft_placement": True},
        }

    return by_platform
