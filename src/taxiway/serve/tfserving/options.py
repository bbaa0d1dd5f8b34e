"""The whole of a command line as one frozen value, with the files it names read and everything checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from taxiway.errors import InvalidArgument, Unimplemented
from taxiway.serve.tfserving.channel import ChannelArgument
from taxiway.serve.tfserving.files import read_text_message
from taxiway.serve.tfserving.flags import FLAGS, State, Value
from taxiway.serve.tfserving.model_config import ModelEntry, single_model_config, transition
from taxiway.serve.tfserving.platform import Platform, read_platforms
from taxiway.wire import message

__all__ = [
    "Behaviour",
    "Listen",
    "Loading",
    "Models",
    "Observe",
    "ServerOptions",
    "Tls",
    "check_available",
    "read_options",
]

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class Listen:
    """Where requests come in. A port of None is off; ``rest_skipped`` when it was asked for and cannot be had."""

    host: str
    grpc_port: int | None
    grpc_socket_path: str | None
    grpc_channel_arguments: tuple[ChannelArgument, ...]
    rest_port: int | None
    rest_skipped: bool
    rest_timeout_ms: int
    cors: bool
    model_list: bool


@dataclass(frozen=True)
class Models:
    """Which models serve at first, and how changes are noticed.

    ``first`` is None for an empty config file. ``config_poll_seconds`` is None when the file is read once;
    ``versions_poll_seconds`` is None for one look, negative for none at all.
    """

    first: tuple[ModelEntry, ...] | None
    config_file: str | None
    config_poll_seconds: float | None
    versions_poll_seconds: float | None
    allow_labels_for_unavailable: bool


@dataclass(frozen=True)
class Loading:
    """How loads are run; 0 threads lets the server choose."""

    load_threads: int
    max_retries: int
    retry_interval_seconds: float
    op_libraries: tuple[str, ...]


@dataclass(frozen=True)
class Tls:
    """PEM texts; with ``verify_clients`` a client must present a certificate that ``client_ca`` signed."""

    key: str
    certificate: str
    client_ca: str | None
    verify_clients: bool


@dataclass(frozen=True)
class Observe:
    """``prometheus_path`` is None when TensorFlow Serving's metrics are off."""

    prometheus_path: str | None
    profiler: bool
    health: bool


@dataclass(frozen=True)
class Behaviour:
    """Switches of what requests and reloads do; a timeout of None waits for ever."""

    check_method_names: bool
    tensor_content: bool
    strict: bool
    start_with_failed_models: bool
    reload_timeout_seconds: float | None
    drain_seconds: float


@dataclass(frozen=True)
class ServerOptions:
    """Everything ``taxiway-model-server`` was asked for."""

    listen: Listen
    models: Models
    platforms: Mapping[str, Platform]
    loading: Loading
    tls: Tls | None
    observe: Observe
    behaviour: Behaviour


def read_options(values: Mapping[str, Value]) -> ServerOptions:
    """Check ``values``, the flags of a command line, and read the files they name.

    Raises:
        TaxiwayError: with the kind and text tensorflow_model_server ends with.
    """
    _check_flags(values)
    config = (
        read_text_message(str(values["model_config_file"]), message("tensorflow.serving.ModelServerConfig")())
        if values["model_config_file"]
        else single_model_config(str(values["model_name"]), str(values["model_base_path"]))
    )
    platforms = read_platforms(values)
    poll = int(values["file_system_poll_wait_seconds"])
    config_poll = int(values["model_config_file_poll_wait_seconds"])
    return ServerOptions(
        listen=_listen(values),
        models=Models(
            first=transition(None, config, platforms),
            config_file=str(values["model_config_file"]) or None,
            config_poll_seconds=config_poll if config_poll > 0 and values["model_config_file"] else None,
            versions_poll_seconds=poll if poll else None,
            allow_labels_for_unavailable=bool(values["allow_version_labels_for_unavailable_models"]),
        ),
        platforms=platforms,
        loading=Loading(
            load_threads=max(int(values["num_load_threads"]), 0),
            max_retries=max(int(values["max_num_load_retries"]), 0),
            retry_interval_seconds=max(int(values["load_retry_interval_micros"]), 0) / 1e6,
            op_libraries=_list(values["op_libraries"]),
        ),
        tls=_tls(str(values["ssl_config_file"])) if values["ssl_config_file"] else None,
        observe=Observe(
            prometheus_path=_prometheus_path(values),
            profiler=bool(values["enable_profiler"]),
            health=bool(values["enable_grpc_healthcheck_service"]),
        ),
        behaviour=Behaviour(
            check_method_names=bool(values["enable_signature_method_name_check"]),
            tensor_content=bool(values["enable_serialization_as_tensor_content"]),
            strict=bool(values["strict"]),
            start_with_failed_models=bool(values["start_with_failed_models"]),
            reload_timeout_seconds=_reload_timeout(values),
            drain_seconds=max(int(values["drain_seconds"]), 0),
        ),
    )


def check_available(values: Mapping[str, Value]) -> None:
    """Refuse flags that ask for what this server does not have and cannot do without.

    Raises:
        Unimplemented: a flag whose state is REFUSED was given.
    """
    for flag in FLAGS:
        if flag.state is State.REFUSED and values[flag.name] != flag.value:
            raise Unimplemented(f"--{flag.name} is not available.", hint=flag.sentence)


def _check_flags(values: Mapping[str, Value]) -> None:
    """The refusals that need no file, in tensorflow_model_server's order."""
    if not values["port"] and not values["grpc_socket_path"]:
        raise InvalidArgument(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
        )
    if values["use_alts_credentials"] and values["ssl_config_file"]:
        raise InvalidArgument("Either use_alts_credentials must be false or ssl_config_file must be empty.")
    if not values["model_base_path"] and not values["model_config_file"]:
        raise InvalidArgument("Both server_options.model_base_path and server_options.model_config_file are empty!")
    for flag in ("port", "rest_api_port"):
        if not 0 <= int(values[flag]) <= 65535:
            raise InvalidArgument(f"--{flag} must be between 0 and 65535; was {values[flag]}")


def _listen(values: Mapping[str, Value]) -> Listen:
    grpc_port, rest_port = int(values["port"]), int(values["rest_api_port"])
    return Listen(
        host=str(values["host"]),
        grpc_port=grpc_port or None,
        grpc_socket_path=str(values["grpc_socket_path"]) or None,
        grpc_channel_arguments=tuple(map(_channel_argument, _list(values["grpc_channel_arguments"]))),
        rest_port=rest_port if rest_port and rest_port != grpc_port else None,
        rest_skipped=bool(rest_port) and rest_port == grpc_port,
        rest_timeout_ms=int(values["rest_api_timeout_in_ms"]),
        cors=bool(values["rest_api_enable_cors_support"]),
        model_list=bool(values["rest_model_list"]),
    )


def _channel_argument(text: str) -> ChannelArgument:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument(f"--grpc_channel_arguments takes name=value, separated by commas; got {text}")
    return name, int(value) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) else value


def _list(value: Value) -> tuple[str, ...]:
    return tuple(part for part in str(value).split(",") if part)


def _tls(path: str) -> Tls:
    config = read_text_message(path, message("tensorflow.serving.SSLConfig")())
    for field in ("server_key", "server_cert"):
        if "-----BEGIN" not in getattr(config, field):
            raise InvalidArgument(f"{field} in {path} must be a PEM text, not a path to one")
    if config.client_verify and not config.custom_ca:
        raise InvalidArgument(
            f"client_verify in {path} needs custom_ca, the certificates that clients are checked against"
        )
    return Tls(config.server_key, config.server_cert, config.custom_ca or None, config.client_verify)


def _prometheus_path(values: Mapping[str, Value]) -> str | None:
    if not values["monitoring_config_file"] or not values["rest_api_port"]:
        return None
    path = str(values["monitoring_config_file"])
    prometheus = read_text_message(path, message("tensorflow.serving.MonitoringConfig")()).prometheus_config
    return (str(prometheus.path) or PROMETHEUS_PATH) if prometheus.enable else None


def _reload_timeout(values: Mapping[str, Value]) -> float | None:
    seconds = int(values["reload_timeout_seconds"])
    return None if values["strict"] or seconds <= 0 else float(seconds)
