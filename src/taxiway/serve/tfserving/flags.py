"""The flags of ``taxiway-model-server``: tensorflow_model_server's 48 and a few of our own, as one table.

The guide's table (docs/reference/tensorflow-serving-flags.md), the usage text and the parser are made from it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum

from taxiway.serve.tfserving.channel import ARGUMENTS

__all__ = ["FLAGS", "OURS", "THEIRS", "Flag", "PerCpu", "State", "Type", "Value", "defaults"]

Value = int | float | bool | str


class Type(Enum):
    """The type of a flag's value, by the name the usage text gives it."""

    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float"
    BOOL = "bool"
    STRING = "string"


class State(Enum):
    """What a flag does here, compared with tensorflow_model_server."""

    SAME = "same"
    BETTER = "better"
    PARTLY = "partly"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True)
class PerCpu:
    """A default of so many for each CPU this process may run on."""

    times: int

    def value(self) -> int:
        """The number on this machine."""
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.times * cpus

    def __str__(self) -> str:
        return "CPUs" if self.times == 1 else f"{self.times} × CPUs"


@dataclass(frozen=True)
class Flag:
    """One flag: ``--name=value``.

    ``mark`` is how much anyone would notice a difference (A will, B may, C hardly); ``sentence`` is the usage text.
    """

    name: str
    type: Type
    default: Value | PerCpu
    group: str
    mark: str
    state: State
    sentence: str

    @property
    def value(self) -> Value:
        """The default on this machine."""
        return self.default.value() if isinstance(self.default, PerCpu) else self.default


_S, _I32, _I64, _B, _F = Type.STRING, Type.INT32, Type.INT64, Type.BOOL, Type.FLOAT
_SAME, _BETTER, _PARTLY = State.SAME, State.BETTER, State.PARTLY
_IGNORED, _REFUSED = State.IGNORED, State.REFUSED

# In tensorflow_model_server's order, which is the order of its usage text. One flag, one or two lines.
# fmt: off
THEIRS: tuple[Flag, ...] = (
    Flag("port", _I32, 8500, "Listen", "A", _SAME, "TCP port for gRPC; 0 turns it off."),
    Flag("grpc_socket_path", _S, "", "Listen", "A", _SAME, "Unix socket for gRPC, beside or instead of the port; one of that name is taken over."),
    Flag("rest_api_port", _I32, 0, "Listen", "A", _SAME, "TCP port for REST; 0 turns it off. Not the same as --port."),
    Flag("rest_api_num_threads", _I32, PerCpu(4), "Listen", "C", _IGNORED,
         "Threads for REST. Requests are handled on the server's own threads, as many as the machine has cores."),
    Flag("rest_api_timeout_in_ms", _I32, 30000, "Listen", "A", _SAME, "How long a REST request may take."),
    Flag("rest_api_enable_cors_support", _B, False, "Listen", "A", _SAME, "Send CORS headers with REST answers."),
    Flag("enable_batching", _B, False, "Batching", "A", _BETTER,
         "Run the rows of several requests together. An odd shape is batched apart and fails nobody else's request."),
    Flag("allow_version_labels_for_unavailable_models", _B, False, "Models", "A", _SAME,
         "Let a label that is not in use point to a version that does not serve yet."),
    Flag("batching_parameters_file", _S, "", "Batching", "A", _SAME, "Text-format BatchingParameters."),
    Flag("enable_per_model_batching_parameters", _B, False, "Batching", "A", _SAME,
         "Read batching_params.pbtxt in each version's directory; the global file then only sets the threads."),
    Flag("model_config_file", _S, "", "Models", "A", _SAME,
         "Text-format ModelServerConfig: several models, version policies, labels. Overrides --model_name and --model_base_path."),
    Flag("model_config_file_poll_wait_seconds", _I32, 0, "Models", "A", _SAME,
         "Seconds between two readings of --model_config_file; 0 reads it once."),
    Flag("model_name", _S, "default", "Models", "A", _SAME, "The name of the only model."),
    Flag("model_base_path", _S, "", "Models", "A", _SAME, "The directory that holds the only model's version directories."),
    Flag("num_load_threads", _I32, 0, "Loading", "B", _BETTER,
         "Versions loaded at a time; 0 lets the server choose. Loading never runs on the thread that watches for versions."),
    Flag("num_unload_threads", _I32, 0, "Loading", "B", _BETTER,
         "Versions unloaded at a time; each waits for its own requests only, whatever the number."),
    Flag("max_num_load_retries", _I32, 5, "Loading", "A", _SAME, "How often a failed load is tried again."),
    Flag("load_retry_interval_micros", _I64, 60_000_000, "Loading", "A", _BETTER,
         "Microseconds between two tries; other models go on meanwhile. Negative: no wait."),
    Flag("file_system_poll_wait_seconds", _I32, 1, "Models", "A", _SAME,
         "Seconds between two looks for new versions; 0 looks once, negative never."),
    Flag("flush_filesystem_caches", _B, True, "Loading", "B", _IGNORED,
         "Drop TensorFlow's own file caches after a load. Versions are read without them here."),
    Flag("tensorflow_session_parallelism", _I64, 0, "Session", "A", _SAME, "Threads of a session, both pools; 0 is automatic."),
    Flag("tensorflow_session_config_file", _S, "", "Session", "B", _BETTER,
         "Text-format ConfigProto. Thread counts in it hold unless a flag sets them; TensorFlow Serving resets them."),
    Flag("tensorflow_intra_op_parallelism", _I64, 0, "Session", "A", _SAME, "Threads within an operation; 0 is automatic."),
    Flag("tensorflow_inter_op_parallelism", _I64, 0, "Session", "A", _SAME, "Operations at a time; 0 is automatic."),
    Flag("use_alts_credentials", _B, False, "Security", "C", _REFUSED,
         "Google's ALTS. Starting without the security that was asked for would be worse than not starting."),
    Flag("ssl_config_file", _S, "", "Security", "A", _BETTER,
         "Text-format SSLConfig: PEM texts of key, certificate and client CA. REST is served over TLS too."),
    Flag("platform_config_file", _S, "", "Session", "B", _SAME,
         "Text-format PlatformConfigMap. Replaces the batching, session, warm-up and TFLite flags."),
    Flag("per_process_gpu_memory_fraction", _F, 0.0, "Session", "B", _SAME, "Part of a GPU's memory to take; 0 lets TensorFlow choose."),
    Flag("saved_model_tags", _S, "serve", "Loading", "A", _SAME, "Comma-separated tags of the MetaGraph to load."),
    Flag("grpc_channel_arguments", _S, "", "Listen", "A", _PARTLY,
         "Comma-separated name=value arguments of the gRPC server. Heeded: " + ", ".join(ARGUMENTS) + "."),
    Flag("grpc_max_threads", _I32, PerCpu(4), "Listen", "C", _IGNORED,
         "Threads for gRPC. Requests are handled on the server's own threads, as many as the machine has cores."),
    Flag("enable_model_warmup", _B, True, "Loading", "A", _SAME, "Replay assets.extra/tf_serving_warmup_requests before a version serves."),
    Flag("num_request_iterations_for_warmup", _I32, 0, "Loading", "A", _SAME, "How often each warm-up request is replayed, when above 0."),
    Flag("version", _B, False, "Meta", "A", _SAME, "Print the version and exit."),
    Flag("monitoring_config_file", _S, "", "Observe", "A", _SAME,
         "Text-format MonitoringConfig: Prometheus on or off, and its path on the REST port."),
    Flag("remove_unused_fields_from_bundle_metagraph", _B, True, "Loading", "C", _IGNORED,
         "Keep only signatures of a MetaGraph in memory. Always done."),
    Flag("prefer_tflite_model", _B, False, "TFLite", "B", _SAME, "Serve model.tflite of a version that has one."),
    Flag("num_tflite_pools", _I32, PerCpu(1), "TFLite", "B", _IGNORED, "TFLite interpreter pools of a version."),
    Flag("num_tflite_interpreters_per_pool", _I32, 1, "TFLite", "B", _IGNORED, "TFLite interpreters of a pool."),
    Flag("enable_signature_method_name_check", _B, False, "Behaviour", "B", _SAME,
         "Insist that a signature's method name fits the call."),
    Flag("xla_cpu_compilation_enabled", _B, False, "Exotic", "C", _IGNORED, "Compile with XLA on CPUs."),
    Flag("xla_gpu_compilation_enabled", _B, False, "Exotic", "C", _IGNORED, "Compile with XLA on CPUs and GPUs."),
    Flag("enable_profiler", _B, True, "Observe", "B", _BETTER,
         "Offer the gRPC profiler service. It traces requests, not operations; the trace goes to the caller, who keeps it, "
         "and is not written here. Monitor answers."),
    Flag("thread_pool_factory_config_file", _S, "", "Exotic", "C", _IGNORED, "Text-format ThreadPoolFactoryConfig."),
    Flag("mixed_precision", _S, "", "Exotic", "C", _IGNORED, "Automatic mixed precision; bfloat16 or empty."),
    Flag("skip_initialize_tpu", _B, False, "Exotic", "C", _IGNORED, "Do not initialise TPUs. None are used."),
    Flag("enable_grpc_healthcheck_service", _B, False, "Observe", "A", _SAME, "Offer grpc.health.v1.Health."),
    Flag("enable_serialization_as_tensor_content", _B, False, "Behaviour", "B", _SAME,
         "Answer gRPC Predict with tensor_content instead of typed fields."),
)

OURS: tuple[Flag, ...] = (
    Flag("host", _S, "0.0.0.0", "Taxiway", "", _BETTER, "Address the ports are opened on."),
    Flag("strict", _B, False, "Taxiway", "", _BETTER,
         "Do as TensorFlow Serving does where Taxiway is safer: refuse labels in a first config, load half-copied versions, "
         "keep a failed reload's config, wait for a reload without bound."),
    Flag("start_with_failed_models", _B, False, "Taxiway", "", _BETTER,
         "Open the ports although a model failed to load; the others serve."),
    Flag("reload_timeout_seconds", _I32, 600, "Taxiway", "", _BETTER,
         "How long a reload waits for new models before it puts the old config back; 0 waits for ever."),
    Flag("drain_seconds", _I32, 30, "Taxiway", "", _BETTER, "How long SIGTERM lets requests finish."),
    Flag("rest_model_list", _B, False, "Taxiway", "", _BETTER,
         "Answer GET /v1/models with the models; TensorFlow Serving misses a model's name there."),
    Flag("op_libraries", _S, "", "Taxiway", "", _REFUSED, "Comma-separated shared libraries with more TensorFlow operations. Those of an installed tensorflow-text are found."),
)

FLAGS: tuple[Flag, ...] = THEIRS + OURS

# fmt: on


def defaults() -> dict[str, Value]:
    """Each flag's value when it is not given, on this machine."""
    return {flag.name: flag.value for flag in FLAGS}
