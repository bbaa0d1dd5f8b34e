"""How versions are loaded, warmed, batched and run: one value for each platform, from flags or a platform config file.

A platform is what ``ModelConfig.model_platform`` names. Flags describe one, ``tensorflow``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.serve.tfserving.files import read_text_message
from taxiway.serve.tfserving.flags import Value
from taxiway.wire import message

__all__ = [
    "Batching",
    "Platform",
    "Session",
    "TfLite",
    "WarmUp",
    "batching_of",
    "batching_of_version",
    "read_platforms",
]

TENSORFLOW = "tensorflow"
_SERVING = "tensorflow.serving."
_PARAMETERS_OF_VERSION = "batching_params.pbtxt"


@dataclass(frozen=True)
class Session:
    """A TensorFlow session's options; 0 threads is automatic, fraction 0 is unset."""

    intra_op_threads: int
    inter_op_threads: int
    gpu_memory_fraction: float
    gpu_allow_growth: bool


@dataclass(frozen=True)
class Batching:
    """Batching parameters with TensorFlow Serving's defaults filled in; sizes in rows."""

    max_batch_rows: int
    batch_timeout_micros: int
    max_enqueued_batches: int
    threads: int
    thread_pool_name: str
    allowed_batch_rows: tuple[int, ...]
    pad_variable_length_inputs: bool
    split_large_batches: bool
    max_execution_batch_rows: int


@dataclass(frozen=True)
class WarmUp:
    """Whether warm-up requests are replayed, and how often each."""

    enabled: bool
    iterations: int


@dataclass(frozen=True)
class TfLite:
    """Whether ``model.tflite`` is preferred to the SavedModel, and its interpreters."""

    preferred: bool
    pools: int
    interpreters_per_pool: int


@dataclass(frozen=True)
class Platform:
    """How the versions of one platform's models are treated.

    ``batching`` is None when it is off. With ``batching_per_model`` a version is batched by its own
    ``batching_params.pbtxt`` or not at all, and ``batching`` only gives the threads.
    """

    tags: tuple[str, ...]
    session: Session
    batching: Batching | None
    batching_per_model: bool
    warm_up: WarmUp
    tflite: TfLite


def read_platforms(values: Mapping[str, Value]) -> dict[str, Platform]:
    """The platforms that flags, or the platform config file, describe.

    Raises:
        InvalidArgument: flags that contradict each other, or a file that is not what it should be.
    """
    if not values["platform_config_file"]:
        return {TENSORFLOW: _platform_of(_bundle_config(values))}
    configs = read_text_message(str(values["platform_config_file"]), message(_SERVING + "PlatformConfigMap")())
    platforms = {}
    for name, config in configs.platform_configs.items():
        adapter = message(_SERVING + "SavedModelBundleSourceAdapterConfig")()
        if not config.source_adapter_config.Unpack(adapter):
            raise InvalidArgument(
                f"Platform {name} has a source adapter of a type that is not supported: "
                f"{config.source_adapter_config.type_url or 'none'}"
            )
        platforms[name] = _platform_of(adapter.legacy_config)
    return platforms


def _bundle_config(values: Mapping[str, Value]) -> Any:
    """The SessionBundleConfig that the flags stand for, checked in tensorflow_model_server's order."""
    config = message(_SERVING + "SessionBundleConfig")()
    if values["enable_batching"]:
        if values["batching_parameters_file"]:
            read_text_message(str(values["batching_parameters_file"]), config.batching_parameters)
        else:
            config.batching_parameters.thread_pool_name.value = "model_server_batch_threads"
        config.enable_per_model_batching_params = bool(values["enable_per_model_batching_parameters"])
    elif values["batching_parameters_file"]:
        raise InvalidArgument(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
        )
    if values["tensorflow_session_config_file"]:
        # Tolerant: the message has hundreds of fields, most of them about compiling and clusters.
        read_text_message(str(values["tensorflow_session_config_file"]), config.session_config, tolerant=True)
    if values["per_process_gpu_memory_fraction"]:
        config.session_config.gpu_options.per_process_gpu_memory_fraction = values["per_process_gpu_memory_fraction"]
    _set_parallelism(config.session_config, values)
    config.saved_model_tags.extend(str(values["saved_model_tags"]).split(",") if values["saved_model_tags"] else [])
    config.enable_model_warmup = bool(values["enable_model_warmup"])
    config.model_warmup_options.num_request_iterations.value = max(int(values["num_request_iterations_for_warmup"]), 0)
    config.prefer_tflite_model = bool(values["prefer_tflite_model"])
    config.num_tflite_pools = int(values["num_tflite_pools"])
    config.num_tflite_interpreters_per_pool = int(values["num_tflite_interpreters_per_pool"])
    return config


def _set_parallelism(session: Any, values: Mapping[str, Value]) -> None:
    intra, inter = int(values["tensorflow_intra_op_parallelism"]), int(values["tensorflow_inter_op_parallelism"])
    both = int(values["tensorflow_session_parallelism"])
    if intra > 0 and inter > 0 and both > 0:
        raise InvalidArgument(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )
    if intra > 0 or inter > 0:
        session.intra_op_parallelism_threads, session.inter_op_parallelism_threads = intra, inter
    elif both > 0:  # a 0 would only undo what the session config file says
        session.intra_op_parallelism_threads = session.inter_op_parallelism_threads = both


def _platform_of(config: Any) -> Platform:
    session = config.session_config
    return Platform(
        tags=tuple(config.saved_model_tags) or ("serve",),
        session=Session(
            intra_op_threads=session.intra_op_parallelism_threads,
            inter_op_threads=session.inter_op_parallelism_threads,
            gpu_memory_fraction=session.gpu_options.per_process_gpu_memory_fraction,
            gpu_allow_growth=session.gpu_options.allow_growth,
        ),
        batching=batching_of(config.batching_parameters) if config.HasField("batching_parameters") else None,
        batching_per_model=config.enable_per_model_batching_params,
        warm_up=WarmUp(config.enable_model_warmup, max(config.model_warmup_options.num_request_iterations.value, 1)),
        tflite=TfLite(
            preferred=config.prefer_tflite_model,
            pools=config.num_tflite_pools or config.num_tflite_interpreters or 1,
            interpreters_per_pool=config.num_tflite_interpreters_per_pool or 1,
        ),
    )


def batching_of(parameters: Any) -> Batching:
    """A ``BatchingParameters`` message with defaults filled in.

    Raises:
        InvalidArgument: sizes that contradict each other.
    """

    def given(field: str, default: Any) -> Any:
        return getattr(parameters, field).value if parameters.HasField(field) else default

    max_rows = given("max_batch_size", 1000)
    splits = given("enable_large_batch_splitting", False)
    batching = Batching(
        max_batch_rows=max_rows,
        batch_timeout_micros=given("batch_timeout_micros", 0),
        max_enqueued_batches=given("max_enqueued_batches", 10) or 1,
        threads=given("num_batch_threads", os.cpu_count() or 1),
        thread_pool_name=given("thread_pool_name", "batch_threads"),
        allowed_batch_rows=tuple(parameters.allowed_batch_sizes),
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
        split_large_batches=splits,
        max_execution_batch_rows=(given("max_execution_batch_size", 0) or max_rows) if splits else max_rows,
    )
    _check_sizes(batching)
    return batching


def batching_of_version(directory: Path) -> Batching | None:
    """The batching parameters that a version brings in its directory; None when it brings none.

    Raises:
        InvalidArgument: the file is not what it should be, or its sizes contradict each other.
    """
    file = directory / _PARAMETERS_OF_VERSION
    if not file.is_file():
        return None
    return batching_of(read_text_message(str(file), message(_SERVING + "BatchingParameters")()))


def _check_sizes(batching: Batching) -> None:
    limits = (
        ("max_batch_size", batching.max_batch_rows, "positive", 1),
        ("num_batch_threads", batching.threads, "positive", 1),
        ("batch_timeout_micros", batching.batch_timeout_micros, "non-negative", 0),
        ("max_enqueued_batches", batching.max_enqueued_batches, "non-negative", 0),
    )
    for field, value, what, least in limits:
        if value < least:
            raise InvalidArgument(f"{field} must be {what}; was {value}")
    if batching.max_execution_batch_rows > batching.max_batch_rows:
        raise InvalidArgument(
            "When enable_large_batch_splitting is true, max_batch_size must be greater than or equal to "
            f"max_execution_batch_size; {batching.max_batch_rows} is less than {batching.max_execution_batch_rows}"
        )
    rows = batching.allowed_batch_rows
    if list(rows) != sorted(set(rows)):
        raise InvalidArgument("allowed_batch_sizes entries must be monotonically increasing")
    # Without splitting the two are one number; with it, TensorFlow Serving's code and its documentation disagree.
    if rows and rows[-1] not in (batching.max_batch_rows, batching.max_execution_batch_rows):
        raise InvalidArgument(
            f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {rows[-1]}; "
            f"expected {batching.max_batch_rows}"
        )
