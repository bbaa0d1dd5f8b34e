"""The compiled data plane behind :class:`taxiway.serve.dataplane.DataPlane`. The only importer of it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from taxiway.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    TaxiwayError,
    error_of_kind,
)
from taxiway.serve.engines import asked_engine
from taxiway.settings import Batching, ModelSettings, ServerSettings, recordings
from taxiway.types import JsonObject

if TYPE_CHECKING:
    from taxiway import _server

__all__ = ["NativeDataPlane", "TlsTexts", "find_libraries", "load_spec"]

log = logging.getLogger(__name__)

T = TypeVar("T")
# TensorFlow's words for a model that needs an operation nobody registered.
_UNKNOWN_OPERATION = "Op type not registered"
_OPERATIONS = ("tensorflow_text",)
_LIMITS = (
    "max_body_bytes",
    "max_inflated_bytes",
    "max_tensor_bytes",
    "max_connections",
    "max_queued_requests",
    "request_timeout_ms",
    "header_timeout_ms",
)
_TRAFFIC = (
    "shadow_threads",
    "max_shadow_requests",
    "max_shadow_bytes",
    "feedback_capacity",
    "max_feedback_bytes",
    "feedback_window_ms",
)
_HTTP2 = (
    "max_streams",
    "max_frame_bytes",
    "max_header_bytes",
    "stream_window_bytes",
    "ping_interval_ms",
    "ping_timeout_ms",
    "max_idle_ms",
    "max_age_ms",
    "age_grace_ms",
    "max_receive_bytes",
    "max_send_bytes",
)
_RECORDS_QUEUED = 256
_SESSION = (
    "intra_op_threads",
    "inter_op_threads",
    "gpu_memory_fraction",
    "gpu_allow_growth",
    "allow_soft_placement",
)


@dataclass(frozen=True)
class TlsTexts:
    """PEM texts. With ``client_ca`` a client must show a certificate that one of these signed."""

    certificate: str
    key: str = field(repr=False)
    client_ca: str | None = None


class NativeDataPlane:
    """The server in Rust.

    Args:
        settings: its ports and limits.
        tls: key and certificates; the files that ``settings`` names when None.

    Raises:
        InvalidArgument: something in them is not usable.
        NotFound, PermissionDenied: a file that cannot be read.
    """

    def __init__(self, settings: ServerSettings, tls: TlsTexts | None = None) -> None:
        # Read by TensorFlow's library when it is loaded: its start-up chatter would bury ours.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            from taxiway import _server
        except ImportError as error:
            raise FailedPrecondition(
                f"the data plane is not there: {error}", hint="install Taxiway, or build it: make build"
            ) from error
        self._refusals: type[Exception] = _server.ServerError
        self._server = self._told(lambda: _server.Server(json.dumps(_config(settings, tls or _tls(settings)))))

    def start(self) -> JsonObject:
        """Open the ports."""
        return _object(self._told(self._server.start))

    def load(self, spec: JsonObject) -> _NativeVersion:
        """Load and warm a version."""
        try:
            return self._load(spec)
        except TaxiwayError as error:
            installed = installed_op_libraries()
            if _UNKNOWN_OPERATION not in error.message or not installed:
                raise
            # Not before they are asked for: they cost memory, and most models need none.
            log.info("Looking for the missing operation in %d installed libraries.", len(installed))
            return self._load({**spec, "op_libraries": [*spec["op_libraries"], *installed]})

    def _load(self, spec: JsonObject) -> _NativeVersion:
        return _NativeVersion(self._told(lambda: self._server.load(json.dumps(spec))))

    def publish(self, table: JsonObject) -> None:
        """Swap the table."""
        self._told(lambda: self._server.publish(json.dumps(table)))

    def outcomes(self, model: str) -> JsonObject | None:
        """What an experiment came to."""
        document: JsonObject | None = json.loads(self._told(lambda: self._server.outcomes(model)))
        return document

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        """Register what answers HandleReloadConfigRequest."""

        def answer(request: bytes) -> bytes:
            try:
                return handler(request)
            except TaxiwayError as error:
                raise self._refusals(error.kind, error.message) from error
            except Exception:
                log.exception("A reload failed.")
                raise

        self._told(lambda: self._server.on_reload(answer))

    def counter(self, name: str) -> int:
        """The value of a counter."""
        return self._told(lambda: self._server.counter(name))

    def stats(self) -> JsonObject:
        """Counters and gauges."""
        return _object(self._told(self._server.stats))

    def stop(self, drain_seconds: float) -> bool:
        """Drain and close."""
        return self._told(lambda: self._server.stop(drain_seconds))

    def _told(self, call: Callable[[], T]) -> T:
        """What ``call`` returns; a refusal becomes an error of its kind."""
        try:
            return call()
        except self._refusals as refusal:
            raise _as_error(refusal) from refusal


class _NativeVersion:
    """A version in the data plane's memory."""

    def __init__(self, loaded: _server.LoadedVersion) -> None:
        self._loaded = loaded

    @property
    def id(self) -> int:
        """What a table calls it."""
        return self._loaded.id

    def describe(self) -> JsonObject:
        """Engine, signatures, times."""
        return _object(self._loaded.describe())

    def leases(self) -> int:
        """Claims on it."""
        return self._loaded.leases()

    def release(self, timeout_seconds: float) -> bool:
        """Give it up and wait."""
        return self._loaded.release(timeout_seconds)


def _as_error(refusal: Exception) -> TaxiwayError:
    kind, message = refusal.args if len(refusal.args) == 2 else ("INTERNAL", str(refusal))
    return error_of_kind(str(kind), str(message))


def _object(text: str) -> JsonObject:
    document: JsonObject = json.loads(text)
    return document


def _tls(settings: ServerSettings) -> TlsTexts | None:
    """The texts of the files that the settings name."""
    files = (settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    if not any(files):
        return None
    if not (settings.tls_cert_file and settings.tls_key_file):
        raise InvalidArgument(
            "TLS needs both a certificate and its key.", hint="set tls_cert_file and tls_key_file, or none of the three"
        )
    certificate, key, client_ca = (_read(file) if file else None for file in files)
    return TlsTexts(certificate or "", key or "", client_ca)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        kind = PermissionDenied if isinstance(error, PermissionError) else NotFound
        raise kind(f"{path} cannot be read as PEM: {error}", hint="see the tls_ settings") from error


def _config(settings: ServerSettings, tls: TlsTexts | None) -> JsonObject:
    def listen(port: int) -> JsonObject | None:
        return None if port < 0 else {"host": settings.host, "port": port}

    return {
        "rest": listen(settings.rest_port),
        "grpc": listen(settings.grpc_port),
        "grpc_socket": settings.grpc_socket or None,
        "tls": dataclasses.asdict(tls) if tls else None,
        "grpc_health": settings.grpc_health,
        "grpc_profiler": settings.grpc_profiler,
        "http2": {name: getattr(settings, f"grpc_{name}") for name in _HTTP2},
        "io_threads": settings.io_threads,
        "compute_threads": settings.compute_threads,
        "batch_threads": settings.batch_threads,
        "limits": {
            **_picked(settings, _LIMITS),
            "grpc_timeout_ms": settings.grpc_timeout_ms or settings.request_timeout_ms,
        },
        "traffic": _picked(settings, _TRAFFIC),
        "cors": settings.cors,
        "model_list": settings.model_list,
        "artifacts": settings.artifacts,
        "tensor_content": settings.tensor_content,
        "method_name_check": settings.method_name_check,
        "prometheus": {"path": settings.prometheus_path, "thread_pool_name": settings.batch_thread_pool}
        if settings.prometheus_path
        else None,
    }


def _picked(settings: ServerSettings, names: tuple[str, ...]) -> dict[str, Any]:
    values = dataclasses.asdict(settings)
    return {name: values[name] for name in names}


def load_spec(
    server: ServerSettings, op_libraries: Sequence[str] = ()
) -> Callable[[str, int, str, ModelSettings], JsonObject]:
    """What makes the document for one load, on a machine as it is now.

    ``op_libraries`` are shared libraries with more TensorFlow operations.
    """
    libraries = find_libraries()
    session = _picked(server, _SESSION)

    def spec(name: str, version: int, path: str, model: ModelSettings) -> JsonObject:
        engine, shown = asked_engine(model.engine, Path(path))
        return {
            "name": name,
            "version": version,
            "path": path,
            "engine": engine,
            "shown": shown,
            "tags": list(model.tags),
            "libraries": libraries,
            "op_libraries": [str(Path(library).absolute()) for library in op_libraries],
            "session": session,
            "warm_up": {"enabled": model.warm_up, "iterations": model.warm_up_iterations},
            "batching": _batching(model.batching),
            "request_log": _recording(server, name, model) if model.record_rate else None,
            "faults": None,
            "urgent": False,
        }

    return spec


def _batching(batching: Batching) -> JsonObject | str | None:
    if batching.auto:
        return "auto"
    values = dataclasses.asdict(batching)
    del values["auto"]
    return values if batching.max_batch_size else None


def _recording(server: ServerSettings, name: str, model: ModelSettings) -> JsonObject:
    folder = recordings(server.state, name, server.recordings)
    return {
        "prefix": str(folder / folder.name),
        "sampling_rate": model.record_rate,
        "max_file_bytes": model.record_file_bytes,
        "max_files": model.record_files,
        "queue_records": _RECORDS_QUEUED,
    }


def find_libraries() -> JsonObject:
    """Where the engines' C libraries are; None for one that is not installed. Imports neither package."""
    tensorflow = _in_package("tensorflow", "libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib")
    framework = _in_package("tensorflow", "libtensorflow_framework.so.2", "libtensorflow_framework.2.dylib")
    both = {"core": tensorflow, "framework": framework} if tensorflow and framework else None
    return {"tensorflow": both, "litert": _in_package("ai_edge_litert", "libLiteRt.so", "libLiteRt.dylib")}


def installed_op_libraries() -> list[str]:
    """The libraries of operations that installed packages bring, by path; TF Text's. Imports none of them."""
    folders = [Path(folder) for package in _OPERATIONS for folder in _folders(package)]
    return [str(path) for folder in folders for path in sorted(folder.rglob("_*.so"))]


def _in_package(package: str, *names: str) -> str | None:
    paths = [Path(folder) / name for folder in _folders(package) for name in names]
    return next((str(path) for path in paths if path.is_file()), None)


def _folders(package: str) -> list[str]:
    """Where a package lies; empty when it is not installed."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or []) if spec is not None else []
