"""The table of settings. Each field below is a row: name, type, default, and one sentence; the unit ends the name.

The frozen dataclasses are the table, so that a setting cannot be documented and not exist, or exist untyped.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from taxiway.errors import InvalidArgument

__all__ = [
    "AT_ONCE",
    "LATEST",
    "SECTIONS",
    "Batching",
    "ModelSettings",
    "Policy",
    "Row",
    "ServerSettings",
    "Settings",
    "Takeover",
    "environment",
    "in_database",
    "recordings",
    "rows",
]

MIB = 1 << 20
_SERVER_NAME = re.compile(r"[A-Za-z0-9._:-]{0,128}")


def row(
    default: Any,
    sentence: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field that is a setting.

    Args:
        default: its value when nothing says otherwise.
        sentence: what it does, for people.
        least, most: the smallest and the largest number it may be.
        choices: the only texts it may be.
    """
    return field(default=default, metadata={"sentence": sentence, "least": least, "most": most, "choices": choices})


@dataclass(frozen=True)
class Policy:
    """Which versions of a model are wanted: the ``latest`` so many, or these ``numbers``, or (both None) all."""

    latest: int | None = 1
    numbers: tuple[int, ...] | None = None


LATEST = Policy()


@dataclass(frozen=True)
class Batching:
    """How a model's requests are gathered, in the names of TensorFlow Serving's BatchingParameters. Sizes are rows.

    ``max_batch_size`` 0 is off: each request runs on its own. With ``auto`` the server finds out at loading where
    requests may share runs, and how many; the rest then says nothing.
    """

    auto: bool = False
    max_batch_size: int = 0
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0


NOT_BATCHED = Batching()
AUTO_BATCHED = Batching(auto=True)
BATCHING_WORDS = {"off": NOT_BATCHED, "auto": AUTO_BATCHED}


@dataclass(frozen=True)
class Takeover:
    """How a newly published version comes to answer: at ``once``, when somebody says so, or by a rollout of its own.

    ``plan`` is for the last: the members of a plan but its model and version, or ``file``, the plan's file. It is None
    when somebody starts the rollout, and also (``once``) when none is needed.
    """

    once: bool = True
    plan: Mapping[str, Any] | None = None


AT_ONCE = Takeover()


@dataclass(frozen=True)
class ServerSettings:
    """``[server]``: the process, its ports and its limits. Ports: 0 lets the system choose, -1 is off."""

    host: str = row("127.0.0.1", "The address to listen on; 0.0.0.0 is every IPv4 interface.")
    rest_port: int = row(8501, "The port of REST; 0 lets the system choose, -1 is off.", least=-1, most=65535)
    grpc_port: int = row(8500, "The port of gRPC; 0 lets the system choose, -1 is off.", least=-1, most=65535)
    grpc_socket: str = row("", "A Unix socket for gRPC, beside the port; one of that name is taken over.")
    admin_port: int = row(8502, "The port of the admin API; 0 lets the system choose, -1 is off.", least=-1, most=65535)
    state: str = row("state/", "The directory of the server's own state, or a postgresql:// URL; empty keeps none.")
    server_name: str = row(
        "", "What the server is called in a journal that several share; empty is its host's name and its ports."
    )
    takeover_seconds: float = row(
        15.0,
        "How long the server that judges a rollout may be silent before another does; the same on all.",
        least=1,
    )
    token_file: str = row("", "A file with the bearer token of the admin API; TAXIWAY_TOKEN holds the token itself.")
    tls_cert_file: str = row("", "The server's certificate in PEM; with tls_key_file, REST and gRPC speak TLS only.")
    tls_key_file: str = row("", "The private key of tls_cert_file, in PEM.")
    tls_client_ca_file: str = row("", "When given, clients must show a certificate that one of these CAs signed.")
    grpc_health: bool = row(True, "Whether gRPC's health service is offered.")
    grpc_profiler: bool = row(True, "Whether TensorFlow's profiler service is offered.")
    grpc_max_streams: int = row(1024, "Calls at once on one gRPC connection.", least=1, most=2**31 - 1)
    grpc_max_frame_bytes: int = row(
        256 << 10, "The largest HTTP/2 frame a client may send.", least=16_384, most=16_777_215
    )
    grpc_max_header_bytes: int = row(64 << 10, "The most that all headers of a call may take.", least=1, most=2**31 - 1)
    grpc_stream_window_bytes: int = row(
        MIB, "How much of one call a client may send ahead of what was read.", least=1, most=2**31 - 1
    )
    grpc_ping_interval_ms: int = row(60_000, "How often a silent gRPC client is asked for a sign; 0 is never.", least=0)
    grpc_ping_timeout_ms: int = row(20_000, "How long it may take to give that sign.", least=1)
    grpc_max_idle_ms: int = row(0, "How long a gRPC connection may be without a call; 0 is for ever.", least=0)
    grpc_max_age_ms: int = row(0, "How old a gRPC connection may become, give or take a tenth; 0 is for ever.", least=0)
    grpc_age_grace_ms: int = row(0, "How long calls of one that is too old may still take; 0 is for ever.", least=0)
    grpc_max_receive_bytes: int = row(
        2**31 - 1, "The longest message taken over gRPC, if below max_body_bytes.", least=0
    )
    grpc_max_send_bytes: int = row(2**31 - 1, "The longest message that gRPC answers with.", least=0)
    poll_seconds: float = row(1.0, "How often the model directories are looked at.", least=0.01)
    store_poll_seconds: float = row(10.0, "How often sources in s3:// and gs:// are looked at.", least=0.01)
    cache: str = row("", "The directory for versions from s3:// and gs://; empty is cache/ in the state directory.")
    recordings: str = row("", "The directory of recorded requests; empty is recordings/ in the state directory.")
    quiet_seconds: float = row(2.0, "How long a version without a manifest must not have changed.", least=0)
    drain_seconds: float = row(30.0, "How long requests under way may take at shutdown and before an unload.", least=0)
    load_threads: int = row(2, "How many versions load at once.", least=1)
    load_attempts: int = row(6, "How often a version is tried before it is given up.", least=1)
    retry_first_seconds: float = row(1.0, "The wait after the first failed load; it doubles each time.", least=0)
    retry_longest_seconds: float = row(60.0, "The longest wait between two attempts to load.", least=0)
    history_versions: int = row(16, "How many ended versions of a model are still listed.", least=0)
    io_threads: int = row(0, "Threads for connections; 0 is one a core.", least=0)
    compute_threads: int = row(0, "Threads that run models; 0 is one a core.", least=0)
    shadow_threads: int = row(1, "Threads of low priority that run copies of requests on shadow versions.", least=1)
    max_shadow_requests: int = row(256, "Copies of requests that may wait for one; more are dropped.", least=1)
    max_shadow_bytes: int = row(256 << 20, "The most memory that such copies may hold.", least=0)
    feedback_capacity: int = row(
        100_000, "Answers that are remembered for feedback: so many of arms, and as many of the rest.", least=1
    )
    max_feedback_bytes: int = row(
        64 << 20, "The most memory that either of both may hold; the oldest are forgotten first.", least=1 << 20
    )
    feedback_window_ms: int = row(3_600_000, "How long they are.", least=0)
    batch_threads: int = row(0, "Threads that run batches, for models with batching; 0 is one a core.", least=0)
    max_body_bytes: int = row(64 * MIB, "The longest request body.", least=1)
    max_inflated_bytes: int = row(100 * MIB, "The longest request body after decompression.", least=1)
    max_tensor_bytes: int = row(256 * MIB, "The largest tensor of a request.", least=1)
    max_connections: int = row(4096, "Connections at once; more are refused.", least=1)
    max_queued_requests: int = row(1024, "Requests waiting to run; more are refused.", least=1)
    request_timeout_ms: int = row(30_000, "How long a request may take.", least=1)
    grpc_timeout_ms: int = row(
        0, "How long a call over gRPC may take, unless its client says less; 0 is `request_timeout_ms`.", least=0
    )
    header_timeout_ms: int = row(10_000, "How long a client may take to send the head of a request.", least=1)
    cors: bool = row(False, "Whether REST answers may be read by web pages of other origins.")
    model_list: bool = row(True, "Whether `GET /v1/models` lists the models, which TensorFlow Serving does not.")
    artifacts: bool = row(True, "Whether REST has the artefacts of served versions for download.")
    tensor_content: bool = row(False, "Whether gRPC answers hold tensors as raw bytes instead of typed fields.")
    method_name_check: bool = row(False, "Whether calls insist on the method name that a signature declares.")
    prometheus_path: str = row("", "Where REST has a metrics page with TensorFlow Serving's names; empty is nowhere.")
    batch_thread_pool: str = row("batch_threads", "What that page calls the batch threads.")
    intra_op_threads: int = row(0, "Threads inside one operation; 0 leaves it to the engine.", least=0)
    inter_op_threads: int = row(0, "Threads for independent operations; 0 runs a request on one thread.", least=0)
    gpu_memory_fraction: float = row(
        0.0, "The part of a GPU's memory to take, 0 to 1; 0 leaves it open.", least=0, most=1
    )
    gpu_allow_growth: bool = row(False, "Whether GPU memory is taken as needed instead of all at once.")
    allow_soft_placement: bool = row(True, "Whether an operation may run on another device than asked for.")


@dataclass(frozen=True)
class ModelSettings:
    """``[models.NAME]``, and ``[defaults]`` for what a model's own section does not say."""

    source: str = row("", "What holds the model's versions: a directory, s3://bucket/model or gs://bucket/model.")
    versions: Policy = row(  # noqa: RUF009 - a frozen default is no call's business
        LATEST, 'Which versions: "latest", "all", [3, 4] or { latest = 2 }.'
    )
    engine: str = row("auto", "What runs it.", choices=("auto", "tensorflow", "litert"))
    tags: tuple[str, ...] = row(("serve",), "The tags of the graph in the SavedModel.")
    batching: Batching = row(  # noqa: RUF009
        NOT_BATCHED,
        'How requests are gathered: "off", "auto" (where rows are found to be independent, and a batch to pay), or '
        "{ max_batch_size = 64, … } as in TensorFlow Serving.",
    )
    labels: Mapping[str, int] = row(None, "Names for versions, as { stable = 3 }; requests may ask for them.")
    warm_up: bool = row(True, "Whether a version's warm-up requests run before it serves.")
    warm_up_iterations: int = row(1, "How often each warm-up request runs.", least=1)
    rollout: Takeover = row(  # noqa: RUF009
        AT_ONCE, 'How a new version takes over: "immediate", "manual", or a plan such as { steps = [1, 10, 50] }.'
    )
    keep_previous: int = row(1, "How many versions stay loaded after they were replaced.", least=0)
    keep_previous_seconds: float = row(3600.0, "For how long; 0 is not at all.", least=0)
    record_rate: float = row(0.0, "The share of requests that is recorded, for `taxiway replay`.", least=0, most=1)
    record_files: int = row(4, "How many complete files of recorded requests are kept.", least=1)
    record_file_bytes: int = row(16 * MIB, "How long such a file becomes.", least=1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", dict(self.labels or {}))


@dataclass(frozen=True)
class Settings:
    """Everything: the server's settings, each model's by name, and a model's that has no section of its own."""

    server: ServerSettings = field(default_factory=ServerSettings)
    defaults: ModelSettings = field(default_factory=ModelSettings)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recorded = any(one.record_rate for one in (self.defaults, *self.models.values()))
        state = self.server.state
        if "://" in state and not in_database(state):
            # The scheme alone: what follows may hold a password.
            raise InvalidArgument(
                f"state cannot be kept in {state.partition(':')[0]}://…", hint="a directory, or postgresql://…"
            )
        if not _SERVER_NAME.fullmatch(self.server.server_name):
            raise InvalidArgument(
                f"server_name = {self.server.server_name!r}", hint="up to 128 of a-z, A-Z, 0-9, . _ : and -"
            )
        if recorded and not self.server.recordings and (not state or in_database(state)):
            raise InvalidArgument(
                "record_rate keeps requests in the state directory, and there is none.",
                hint='recordings = "recordings/", or state = "state/"',
            )


def in_database(state: str) -> bool:
    """Whether ``state`` is a database's URL, so that there is no state directory."""
    return state.startswith(("postgresql://", "postgres://"))


def recordings(state: str, model: str, root: str = "") -> Path:
    """The directory of a model's recorded requests, in ``root`` if that is given; its files begin with its own name."""
    return (Path(root) if root else Path(state) / "recordings").absolute() / quote(model, safe="")


SECTIONS: dict[str, type] = {"server": ServerSettings, "defaults": ModelSettings}


@dataclass(frozen=True)
class Row:
    """One setting. ``environment`` is empty for what only makes sense for one model."""

    section: str
    name: str
    type: Any
    default: Any
    environment: str
    sentence: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]


def environment(section: str, name: str) -> str:
    """The environment variable of a setting: TAXIWAY_ and its name."""
    return "" if (section, name) in {("defaults", "source"), ("defaults", "labels")} else f"TAXIWAY_{name.upper()}"


def rows(section: str) -> dict[str, Row]:
    """The settings of a section, by name."""
    cls = SECTIONS[section]
    types = typing.get_type_hints(cls)
    return {
        f.name: Row(section, f.name, types[f.name], f.default, environment(section, f.name), **f.metadata)
        for f in dataclasses.fields(cls)
    }
